"use strict";
const onestory = (() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;
  const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  // Theme: follow the system until the reader chooses one.
  const stored = {
    get: () => { try { return localStorage.getItem("onestory-theme"); } catch { return null; } },
    set: (theme) => { try { localStorage.setItem("onestory-theme", theme); } catch { /* not available for file: pages */ } },
  };
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const toggleTheme = () => { root.dataset.theme = isDark() ? "light" : "dark"; stored.set(root.dataset.theme); };
  if (["dark", "light"].includes(stored.get())) root.dataset.theme = stored.get();
  $("#theme").addEventListener("click", toggleTheme);

  const keys = $("#keys");
  $("#keys-button").addEventListener("click", () => keys.showModal());
  const bound = { t: toggleTheme, "?": () => keys.showModal() };
  const typing = (element) => element.matches("textarea, select, input:not([type=range])");
  const takesKey = (element, key) => {
    if (key === " ") return element.matches("button, a, summary, input, video");
    return key.startsWith("Arrow") && element.matches("video, input, .scroll");
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]") || typing(event.target)) return;
    const act = bound[event.key];
    if (!act || takesKey(event.target, event.key)) return;
    event.preventDefault();
    act();
  });

  // Cards are replaced by a review while the page is open, so they are looked up each time.
  const shots = () => $$("article.shot");
  const cardOf = (id) => document.getElementById(`shot-${id}`);
  const current = () => shots().findIndex((shot) => shot.contains(document.activeElement));
  const mainOf = (shot) => $("video.main", shot);
  const here = (act) => () => { if (current() >= 0) act(shots()[current()]); };
  const tools = { $, $$, bound, cardOf, here, refresh: () => {} };
  const chapters = JSON.parse($("#chapters").textContent);
  if (!chapters.length) return tools;
  const total = chapters.at(-1).start + chapters.at(-1).seconds;
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  // The film: the joined film in the first video element; without one, the clips of the shots in turn, where one
  // element plays and the other preloads the next clip.
  const stage = $(".stage");
  const reels = $$(".reel");
  const play = $("#play");
  const seek = $("#seek");
  const subtitle = $(".subtitle");
  const film = { at: 0, front: 0, playing: false, loop: false, captions: true };
  const joined = () => reels[0].hasAttribute("src") && !reels[0].dataset.index;
  const front = () => reels[film.front];
  const time = () => (joined() ? 0 : chapters[film.at].start) + front().currentTime;
  const chapterAt = (seconds) => Math.max(0, chapters.findLastIndex((chapter) => chapter.start <= seconds + 0.001));

  const load = (reel, index) => {
    if (reel.dataset.index !== String(index)) {
      reel.dataset.index = index;
      reel.src = mainOf(cardOf(chapters[index].shot)).src;
      reel.preload = "auto";
      reel.playbackRate = Number($("#speed").value);
    }
  };
  const showTime = () => {
    const now = Math.min(time(), total);
    seek.value = now;
    $("#time").textContent = `${clock(now)} / ${clock(total)}`;
    const inside = now - chapters[film.at].start;
    const bar = $$(".chapter progress")[film.at];
    if (bar) bar.value = Math.min(1, inside / chapters[film.at].seconds);
  };
  const cue = (id) => {
    const card = cardOf(id);
    const part = (tag, name, ...content) => {
      const made = document.createElement(tag);
      made.className = name;
      made.append(...content);
      return made;
    };
    const link = Object.assign(document.createElement("a"), { href: `#shot-${id}`, textContent: id });
    const caption = $(".caption", card).cloneNode(true);
    const texts = $$(".flow text:not(.name)", card).filter((text) => text.previousElementSibling.matches("use"));
    const byRank = texts.sort((one, other) => one.getAttribute("y") - other.getAttribute("y"));
    const pictures = byRank.slice(0, 8).map((text) => {
      const symbol = document.getElementById(text.previousElementSibling.getAttribute("href").slice(1));
      const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      picture.setAttribute("class", "picture");
      picture.setAttribute("viewBox", symbol.getAttribute("viewBox"));
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", `${text.parentElement.dataset.source}, ${$("tspan", text).textContent}`);
      const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
      use.setAttribute("href", `#${symbol.id}`);
      picture.append(use);
      return picture;
    });
    const remembers = pictures.length ? [part("p", "number", "Remembers"), part("div", "recalled", ...pictures)] : [part("p", "number", "Remembers nothing")];
    const shown = part("div", "cue", part("p", "number", `Shot ${card.dataset.number} of ${shots().length}`), part("h3", "", link), caption, ...remembers);
    shown.dataset.shot = id;
    $("#now").replaceChildren(shown);
  };
  const showCue = () => {
    const { shot, subtitle: text } = chapters[film.at];
    cue(shot);
    $$(".chapter").forEach((chapter, index) => {
      if (index === film.at) chapter.setAttribute("aria-current", "true");
      else chapter.removeAttribute("aria-current");
      $("progress", chapter).value = index < film.at ? 1 : 0;
    });
    subtitle.textContent = text;
    subtitle.hidden = !text || !film.captions;
    light(stage.classList.contains("started") ? shot : null);
  };
  const setPlaying = (playing) => {
    film.playing = playing;
    stage.classList.toggle("playing", playing);
    play.setAttribute("aria-label", playing ? "Pause the film" : "Play the film");
  };
  // play() may reject late, after another chapter has started.
  const start = (reel) => reel.play().catch(() => { if (reel === front() && reel.paused) setPlaying(false); });
  const go = (index, playing, offset = 0) => {
    const changed = index !== film.at;
    film.at = index;
    stage.classList.add("started");
    if (joined()) {
      reels[0].classList.add("front");
      reels[0].preload = "auto"; // without this, a film that has not been played shows no frame
      reels[0].currentTime = chapters[index].start + offset + 0.001;
    } else {
      const other = 1 - film.front;
      const ready = reels[other].dataset.index === String(index);
      front().pause();
      if (ready || front().dataset.index !== String(index)) film.front = other;
      load(front(), index);
      front().currentTime = offset;
      reels.forEach((each) => each.classList.toggle("front", each === front()));
      if (index + 1 < chapters.length) load(reels[1 - film.front], index + 1);
    }
    setPlaying(playing);
    if (changed || !offset) showCue();
    showTime();
    if (playing) start(front());
  };
  const toggleFilm = () => {
    if (film.playing) { front().pause(); setPlaying(false); return; }
    pauseOthers(null);
    const over = time() >= total - 0.05;
    if (!stage.classList.contains("started") || over) go(0, true);
    else { setPlaying(true); start(front()); }
  };
  reels.forEach((reel) => {
    reel.addEventListener("timeupdate", () => {
      if (reel !== front() || !stage.classList.contains("started")) return;
      const index = joined() ? chapterAt(reel.currentTime) : film.at;
      if (index !== film.at) { film.at = index; showCue(); }
      showTime();
    });
    reel.addEventListener("ended", () => {
      if (reel !== front()) return;
      if (!joined() && film.at + 1 < chapters.length) go(film.at + 1, true);
      else if (film.loop) go(0, true);
      else { showTime(); setPlaying(false); }
    });
  });
  play.addEventListener("click", toggleFilm);
  seek.addEventListener("input", () => {
    const index = chapterAt(Number(seek.value));
    go(index, film.playing, Number(seek.value) - chapters[index].start);
  });
  $("#speed").addEventListener("change", () => reels.forEach((reel) => { reel.playbackRate = Number($("#speed").value); }));
  const toggle = (button, act) => () => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", pressed);
    act(pressed);
  };
  const toggleLoop = toggle($("#loop"), (pressed) => { film.loop = pressed; });
  const toggleCaptions = toggle($("#captions"), (pressed) => { film.captions = pressed; showCue(); });
  $("#loop").addEventListener("click", toggleLoop);
  $("#captions").addEventListener("click", toggleCaptions);
  $("#captions").hidden = !chapters.some((chapter) => chapter.subtitle);
  $("#mute").addEventListener("click", toggle($("#mute"), (pressed) => reels.forEach((reel) => { reel.muted = pressed; })));
  const fullScreen = () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen().catch(() => {}));
  $("#full").addEventListener("click", fullScreen);
  if (joined()) Object.assign($("#download"), { href: reels[0].src, hidden: false });

  // Chapters: click to play from there; point at one to highlight its arcs.
  const arcs = $$(".arcs path");
  const light = (id) => {
    arcs.forEach((arc) => {
      arc.classList.toggle("into", arc.dataset.shot === id);
      arc.classList.toggle("from", arc.dataset.source === id);
    });
    $(".arcs").classList.toggle("lit", id !== null);
  };
  const settled = () => light(stage.classList.contains("started") ? chapters[film.at].shot : null);
  $$(".chapter").forEach((chapter, index) => {
    chapter.addEventListener("click", () => { pauseOthers(null); go(index, true); });
    ["pointerenter", "focus"].forEach((name) => chapter.addEventListener(name, () => light(chapter.dataset.shot)));
    ["pointerleave", "blur"].forEach((name) => chapter.addEventListener(name, settled));
  });

  // Only one video plays at a time, or the takes of one shot in step.
  const pauseOthers = (...playing) => {
    $$("article.shot video").forEach((video) => { if (!playing.includes(video)) video.pause(); });
    if (playing[0] && film.playing) { front().pause(); setPlaying(false); }
  };
  const inStep = (videos) => {
    pauseOthers(...videos);
    const [leader] = videos;
    videos.forEach((video) => { video.loop = video === leader; video.currentTime = 0; video.play().catch(() => {}); });
    leader.ontimeupdate = () => videos.slice(1).forEach((video) => {
      const late = Math.abs(video.currentTime - leader.currentTime);
      if (late > 0.08) video.currentTime = leader.currentTime;
      if (video.paused && !leader.paused && leader.currentTime < video.duration - 0.05) video.play().catch(() => {});
    });
  };
  // The accepted take's clip is in the page once, in the large video of its card.
  const fill = (video) => {
    if (!video.hasAttribute("src")) video.src = mainOf(video.closest("article")).src;
    return video;
  };
  const takesOf = (shot) => $$(".take video", shot).map(fill);
  const togglePlay = (video) => (video.paused ? (pauseOthers(video), video.play().catch(() => {})) : video.pause());
  const playTakes = (shot) => {
    const videos = takesOf(shot);
    if (!videos.length) return;
    if (videos.some((video) => !video.paused)) videos.forEach((video) => video.pause());
    else inStep(videos);
  };

  // Compare two takes of a shot.
  const dialog = $("#compare");
  const sides = $$("figure", dialog).map((figure) => ({ select: $("select", figure), video: $("video", figure), about: $("figcaption", figure) }));
  let choices = [];
  const showSides = () => {
    const at = sides[0].video.currentTime || 0;
    sides.forEach(({ select, video, about }) => {
      const { source, text } = choices[select.selectedIndex];
      if (video.src !== source) video.src = source;
      about.textContent = text;
      video.playbackRate = Number($(".compare-speed").value);
      video.currentTime = at;
    });
    inStep(sides.map((side) => side.video));
  };
  const compare = (shot) => {
    const takes = $$(".take", shot);
    if (takes.length < 2) return;
    choices = takes.map((take) => ({
      label: $("b", take).textContent + (take.classList.contains("accepted") ? " (accepted)" : ""),
      source: fill($("video", take)).src,
      text: $$("p.dim, p.bad", take).map((part) => part.textContent).join(" · "),
    }));
    const accepted = Math.max(0, takes.findIndex((take) => take.classList.contains("accepted")));
    const other = accepted === takes.length - 1 ? accepted - 1 : takes.length - 1;
    $("#compare-title").textContent = shot.dataset.shot;
    sides.forEach(({ select }, index) => {
      select.replaceChildren(...choices.map(({ label }) => Object.assign(document.createElement("option"), { textContent: label })));
      select.selectedIndex = index ? other : accepted;
    });
    dialog.showModal();
    showSides();
  };
  sides.forEach(({ select }) => select.addEventListener("change", showSides));
  $(".compare-speed").addEventListener("change", showSides);
  $(".compare-play").addEventListener("click", () => {
    const videos = sides.map((side) => side.video);
    if (videos[0].paused) videos.forEach((video) => video.play().catch(() => {}));
    else videos.forEach((video) => video.pause());
  });
  $(".compare-seek").addEventListener("input", (event) => sides.forEach(({ video }) => { video.pause(); video.currentTime = event.target.value * (video.duration || 0); }));
  sides[0].video.addEventListener("play", () => { $(".compare-play").textContent = "pause"; });
  sides[0].video.addEventListener("pause", () => { $(".compare-play").textContent = "play"; });
  sides[0].video.addEventListener("timeupdate", () => { $(".compare-seek").value = sides[0].video.currentTime / (sides[0].video.duration || 1); });
  dialog.addEventListener("close", () => sides.forEach(({ video }) => video.pause()));

  // Cards.
  document.addEventListener("click", (event) => {
    const shot = event.target.closest("article.shot");
    if (!shot) return;
    if (event.target.matches("video")) togglePlay(fill(event.target));
    else if (event.target.closest(".in-step")) playTakes(shot);
    else if (event.target.closest(".compare-open")) compare(shot);
  });
  // Events of media do not bubble, so they are captured.
  for (const name of ["play", "pause"]) {
    document.addEventListener(name, ({ target }) => target.closest(".player")?.classList.toggle("playing", name === "play"), true);
  }
  // Scores of frames: the page holds them once per source.
  document.addEventListener("pointerover", (event) => {
    const square = event.target.closest(".heats i");
    if (!square || square.title) return;
    const scores = square.parentElement.dataset.scores.split(" ");
    [...square.parentElement.children].forEach((each, index) => { each.title = `frame ${index}: ${scores[index]}`; });
  });
  // What an arc or a square of the map is: named when it is pointed at.
  const name = ({ target }) => {
    const part = target.closest(".arcs path, .map a");
    if (!part || $("title", part)) return;
    const shot = part.closest("[data-shot]").dataset.shot;
    const [frames, tokens] = part.dataset.n.split(" ");
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = `${shot} selected ${frames} frame${frames === "1" ? "" : "s"} of ${part.dataset.source}, ${tokens} tokens`;
    part.append(title);
  };
  document.addEventListener("pointerover", name);
  document.addEventListener("focusin", name);
  const follow = (flow, source) => {
    flow.classList.toggle("following", source !== null);
    $$("[data-source]", flow).forEach((each) => each.classList.toggle("followed", each.dataset.source === source));
  };
  document.addEventListener("pointerover", (event) => {
    const part = event.target.closest(".flow [data-source]");
    $$(".flow.following").forEach((flow) => { if (!part || !flow.contains(part)) follow(flow, null); });
    if (part) follow(part.closest(".flow"), part.dataset.source);
  });

  // Keyboard.
  const focusShot = (index) => {
    const all = shots();
    const shot = all[Math.max(0, Math.min(index, all.length - 1))];
    shot.focus({ preventScroll: true });
    shot.scrollIntoView({ block: "start", behavior: still() ? "auto" : "smooth" });
  };
  const next = () => focusShot(current() + 1);
  const previous = () => focusShot(current() < 0 ? 0 : current() - 1);
  const step = (frames) => () => {
    const video = current() < 0 ? front() : mainOf(shots()[current()]);
    video.pause();
    video.currentTime = Math.max(0, video.currentTime + frames / 16);
  };
  const to = (id) => { $(id).scrollIntoView(); };
  Object.assign(bound, {
    j: next, ArrowRight: next, k: previous, ArrowLeft: previous,
    " ": () => (current() < 0 ? toggleFilm() : togglePlay(mainOf(shots()[current()]))),
    f: () => { to("#film"); play.focus({ preventScroll: true }); }, F: fullScreen, m: () => to("#memory"),
    l: toggleLoop, c: toggleCaptions, p: here(playTakes), x: here(compare), ",": step(-1), ".": step(1),
  });
  const idle = window.requestIdleCallback || ((act) => setTimeout(act, 50));
  const settle = () => {
    const waiting = $$(".long article.shot:not(.settled)").slice(0, 8);
    waiting.forEach((shot) => shot.classList.add("settled"));
    if (waiting.length) idle(settle);
  };
  addEventListener("load", () => idle(settle));

  showCue();
  return Object.assign(tools, { refresh: showCue });
})();
