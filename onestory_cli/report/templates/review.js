(() => {
  const { $, $$, bound, cardOf, here } = onestory;
  const state = JSON.parse($("#review").textContent);
  let stale = state.stale;

  const show = (message) => { $("#message").textContent = message; };
  const problems = (findings) => findings.map(({ message, help }) => (help ? `${message}; ${help}` : message)).join("\n");
  const ask = async (action, content) => {
    const answer = await fetch(action, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
    const type = answer.headers.get("Content-Type") || "";
    const found = type.startsWith("application/json") ? await answer.json() : { findings: [{ message: await answer.text() }] };
    if (!answer.ok) throw new Error(problems(found.findings));
    show("");
    return found;
  };
  const attempt = (work) => work().catch((fault) => show(fault.message || "the server does not answer"));

  // Before an action: what it makes stale, and how long that takes to render.
  const dialog = $("#ask");
  const confirm = async (verb, title, effect, note) => {
    $("#ask-yes").textContent = verb;
    $("#ask-title").textContent = title;
    $("#ask-effect").textContent = effect;
    $("#ask-note").hidden = note === null;
    $("#ask-note textarea").value = note || "";
    dialog.returnValue = "";
    dialog.showModal();
    (note === null ? $("#ask-yes") : $("#ask-note textarea")).focus();
    await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
    return dialog.returnValue === "yes";
  };
  const accept = (shot, take) => attempt(async () => {
    const content = { shot: shot.dataset.shot, take: take.dataset.take };
    const effect = await ask("effect", content);
    if (!effect.shots.length || await confirm("accept", `Accept take ${take.dataset.number} of ${content.shot}?`, `${effect.text}: ${effect.shots.join(", ")}`, null)) {
      await ask("accept", content);
      showAccepted(content.shot, content.take);
    }
  });
  // At once; the new card follows.
  const showAccepted = (shot, id) => $$(".take", cardOf(shot)).forEach((take) => {
    const accepted = take.dataset.take === id;
    if (accepted || take.classList.contains("accepted")) $(".state", take).textContent = accepted ? "accepted" : "";
    take.classList.toggle("accepted", accepted);
  });
  const reject = (shot, take) => attempt(async () => {
    const old = $(".note", take)?.textContent || "";
    if (await confirm("reject", `Reject take ${take.dataset.number} of ${shot.dataset.shot}?`, "It stays on disk and can still be accepted.", old)) {
      await ask("note", { shot: shot.dataset.shot, take: take.dataset.take, text: $("#ask-note textarea").value, rejected: true });
    }
  });
  const another = (shot) => attempt(async () => {
    await ask("new", { shot: shot.dataset.shot });
    const { text } = await ask("effect", { shot: shot.dataset.shot });
    show(`another take of ${shot.dataset.shot} is queued${text ? `, ${text}` : ""}`);
  });
  const render = () => attempt(() => ask("render", {}));

  // The caption: checked while it is typed, saved to the story file.
  let timer = 0;
  const check = (form) => attempt(async () => {
    const shot = form.closest("article").dataset.shot;
    const { resolved, findings, effect } = await ask("check", { shot, caption: form.caption.value });
    $(".resolved", form).textContent = resolved;
    const wrong = findings.filter(({ severity }) => severity === "error");
    $(".findings", form).replaceChildren(...findings.map(({ code, message, help, severity }) => Object.assign(document.createElement("li"), { textContent: `${code}: ${message}${help ? `; ${help}` : ""}`, className: severity })));
    $(".effect", form).textContent = form.caption.value.trim() === form.caption.dataset.saved.trim() ? "" : effect;
    $("button[type=submit]", form).disabled = wrong.length > 0;
  });
  const later = (form) => { clearTimeout(timer); timer = setTimeout(() => check(form), 150); };
  const dirty = () => $$(".editor textarea").filter((text) => text.value.trim() !== text.dataset.saved.trim());
  const save = (form) => attempt(async () => {
    const shot = form.closest("article").dataset.shot;
    const caption = form.caption.value;
    await ask("caption", { shot, caption, before: form.caption.dataset.saved });
    form.caption.dataset.saved = caption;
  });
  document.addEventListener("input", ({ target }) => { if (target.matches(".editor textarea")) later(target.form); });
  document.addEventListener("toggle", ({ target }) => { if (target.matches(".editor") && target.open) check($("form", target)); }, true);
  document.addEventListener("reset", ({ target }) => { if (target.closest(".editor")) later(target); });
  document.addEventListener("submit", (event) => {
    if (!event.target.closest(".editor")) return;
    event.preventDefault();
    save(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches(".editor textarea")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) save(event.target.form);
    if (event.key === "Escape") event.target.closest("article").focus();
  });

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-act]");
    if (!button) return;
    const shot = button.closest("article");
    const take = button.closest(".take");
    ({ accept: () => accept(shot, take), reject: () => reject(shot, take), new: () => another(shot) })[button.dataset.act]();
  });
  $("#render")?.addEventListener("click", render);
  $("#stop")?.addEventListener("click", () => attempt(() => ask("stop", {})));
  const reload = $("#reload");
  reload.addEventListener("click", () => location.reload());

  // Keys.
  if (!state.read_only) {
    const numbered = (number) => here((shot) => {
      const take = $$(".take:not(.old)", shot).find((item) => item.dataset.number === String(number));
      if (take && !take.classList.contains("accepted")) accept(shot, take);
    });
    for (let number = 0; number < 10; number += 1) bound[number] = numbered(number);
    bound.n = here(another);
    bound.r = render;
    bound.e = here((shot) => {
      const editor = $(".editor", shot);
      if (!editor) return;
      editor.open = true;
      $("textarea", editor).focus();
    });
  }

  // Live: changes by this page, by others and by commands.
  const showStale = () => {
    $$("article.shot").forEach((card) => {
      const why = stale[card.dataset.shot] || "";
      card.classList.toggle("stale", Boolean(why));
      const badge = $(".badge.why", card);
      if (!why) badge?.remove();
      else if (badge) badge.textContent = why;
      else $(".details header", card).append(Object.assign(document.createElement("span"), { className: "badge why", textContent: why }));
    });
    const number = Object.keys(stale).length;
    if ($("#render")) $("#render").textContent = number ? `render ${number} stale shot${number === 1 ? "" : "s"}` : "render";
  };
  const replaceCard = async (id) => {
    const answer = await fetch(`card/${encodeURIComponent(id)}`);
    const old = cardOf(id);
    if (!answer.ok || !old) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    $$("symbol", found).forEach((symbol) => { if (!document.getElementById(symbol.id)) $("#pictures").append(symbol); });
    const card = $("article", found);
    const focused = old.contains(document.activeElement);
    const editor = $(".editor", old);
    const draft = editor?.open ? $("textarea", editor).value : null;
    card.classList.add("settled");
    old.replaceWith(card);
    if (draft !== null && $(".editor", card)) {
      $(".editor", card).open = true;
      $(".editor textarea", card).value = draft;
    }
    if (focused) card.focus({ preventScroll: true });
  };
  const isBusy = () => dirty().length || $("dialog[open]") || $$("video").some((video) => !video.paused);
  const events = new EventSource(`events?version=${state.version}`);
  events.addEventListener("changed", async ({ data }) => {
    const change = JSON.parse(data);
    stale = change.stale;
    showStale();
    show(problems(change.findings));
    await Promise.all(change.shots.map(replaceCard));
    showStale();
    onestory.refresh();
    if (change.whole && !isBusy()) location.reload();
    else if (change.whole || change.film) reload.hidden = false;
  });
  events.addEventListener("problem", ({ data }) => show(problems(JSON.parse(data).findings)));
  const showPreview = (shown) => $("#preview").toggleAttribute("hidden", !shown);  // SVG elements have no property hidden
  const labels = { idle: "", waiting: "waiting for another process", loading: "loading the model", asks: "waiting for you", failed: "failed" };
  events.addEventListener("progress", ({ data }) => {
    const now = JSON.parse(data);
    const working = ["rendering", "loading", "waiting"].includes(now.state);
    const left = now.left === null ? "" : `, ${Math.ceil(now.left)} s left`;
    const queued = now.queued ? ` · ${now.queued} more queued` : "";
    $("#status").textContent = (now.state === "rendering" ? `${now.shot}: step ${now.step} of ${now.steps}${left}` : labels[now.state]) + queued;
    $("#progress").hidden = !working;
    $("#progress").value = now.steps ? now.step / now.steps : 0;
    if (!working) showPreview(false);
    if ($("#stop")) $("#stop").hidden = !working;
    $("#work").classList.toggle("active", working || Boolean(now.asks));
    if (now.message) show(now.asks ? `accept a take of ${now.asks}, then the render continues` : [now.message, now.help].filter(Boolean).join("; "));
    else if (working) show("");
    $$("article.shot").forEach((shot) => shot.classList.toggle("rendering", working && shot.dataset.shot === now.shot));
  });
  events.addEventListener("preview", ({ data }) => {
    const { shot, step, steps, picture } = JSON.parse(data);
    showPreview(true);
    $("#preview image").setAttribute("href", picture);
    $("#preview").setAttribute("aria-label", `${shot}, step ${step} of ${steps}`);
  });
  events.addEventListener("error", () => { $("#status").textContent = "the server does not answer; it may have ended"; });
  showStale();
  show(state.problems.join("\n"));
})();
