"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const root = document.documentElement;

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

  const shots = $$("article.shot");
  if (!shots.length) return;
  const chapters = $$(".chapter");
  const arcs = $$(".arcs path");
  const videoOf = (shot) => $("video", shot);

  // The film: one video element plays a clip while the other preloads the next.
  const stage = $(".stage");
  const reels = $$(".reel");
  const play = $("#play");
  const film = { at: 0, front: 0, playing: false };

  const load = (reel, index) => {
    if (reel.dataset.index !== String(index)) {
      reel.dataset.index = index;
      reel.src = videoOf(shots[index]).src;
      reel.preload = "auto";
    }
  };
  const showCue = () => {
    const id = shots[film.at].dataset.shot;
    $$(".cue").forEach((cue) => { cue.hidden = cue.dataset.shot !== id; });
    chapters.forEach((chapter, index) => {
      if (index === film.at) chapter.setAttribute("aria-current", "true");
      else chapter.removeAttribute("aria-current");
      $("progress", chapter).value = index < film.at ? 1 : 0;
    });
    light(id);
  };
  const setPlaying = (playing) => {
    film.playing = playing;
    stage.classList.toggle("playing", playing);
    play.setAttribute("aria-label", playing ? "Pause the film" : "Play the film");
  };
  // play() may reject late, after another chapter has started.
  const start = (reel) => reel.play().catch(() => { if (reel === reels[film.front] && reel.paused) setPlaying(false); });
  const go = (index, playing) => {
    film.at = index;
    const other = 1 - film.front;
    const ready = reels[other].dataset.index === String(index);
    reels[film.front].pause();
    if (ready || reels[film.front].dataset.index !== String(index)) film.front = other;
    const reel = reels[film.front];
    load(reel, index);
    reel.currentTime = 0;
    reels.forEach((each) => each.classList.toggle("front", each === reel));
    stage.classList.add("started");
    setPlaying(playing);
    showCue();
    if (playing) start(reel);
    if (index + 1 < shots.length) load(reels[1 - film.front], index + 1);
  };
  const toggleFilm = () => {
    const reel = reels[film.front];
    if (film.playing) { reel.pause(); setPlaying(false); return; }
    pauseOthers(null);
    if (!stage.classList.contains("started") || (reel.ended && film.at === shots.length - 1)) go(0, true);
    else { setPlaying(true); start(reel); }
  };
  reels.forEach((reel) => {
    reel.addEventListener("timeupdate", () => {
      if (reel === reels[film.front] && reel.duration) $("progress", chapters[film.at]).value = reel.currentTime / reel.duration;
    });
    reel.addEventListener("ended", () => {
      if (reel !== reels[film.front]) return;
      if (film.at + 1 < shots.length) go(film.at + 1, true);
      else { $("progress", chapters[film.at]).value = 1; setPlaying(false); }
    });
  });
  play.addEventListener("click", toggleFilm);

  // Chapters: click to play from there; point at one to highlight its arcs.
  const light = (id) => {
    arcs.forEach((arc) => {
      arc.classList.toggle("into", arc.dataset.shot === id);
      arc.classList.toggle("from", arc.dataset.source === id);
    });
    $(".arcs").classList.toggle("lit", id !== null);
  };
  const settled = () => light(stage.classList.contains("started") ? shots[film.at].dataset.shot : null);
  chapters.forEach((chapter, index) => {
    chapter.addEventListener("click", () => { pauseOthers(null); go(index, true); });
    ["pointerenter", "focus"].forEach((name) => chapter.addEventListener(name, () => light(chapter.dataset.shot)));
    ["pointerleave", "blur"].forEach((name) => chapter.addEventListener(name, settled));
  });

  // Video controls are slow to build: add them when a video comes near the window.
  const near = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
    target.controls = true;
    near.unobserve(target);
  }), { rootMargin: "300px" });
  shots.forEach((shot) => near.observe(videoOf(shot)));

  // Only one video plays at a time.
  const pauseOthers = (video) => {
    shots.forEach((shot) => { if (videoOf(shot) !== video) videoOf(shot).pause(); });
    if (video && film.playing) { reels[film.front].pause(); setPlaying(false); }
  };
  shots.forEach((shot) => {
    const video = videoOf(shot);
    video.addEventListener("play", () => pauseOthers(video));
  });

  // Flow: point at a source to highlight its lines.
  $$(".flow [data-source]").forEach((part) => {
    const flow = part.closest(".flow");
    const follow = (source) => {
      flow.classList.toggle("following", source !== null);
      $$("[data-source]", flow).forEach((each) => each.classList.toggle("followed", each.dataset.source === source));
    };
    part.addEventListener("pointerenter", () => follow(part.dataset.source));
    part.addEventListener("pointerleave", () => follow(null));
  });

  // Keyboard.
  const current = () => shots.findIndex((shot) => shot.contains(document.activeElement));
  const focusShot = (index) => {
    const shot = shots[Math.max(0, Math.min(index, shots.length - 1))];
    shot.focus({ preventScroll: true });
    shot.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  };
  const togglePlay = () => {
    if (current() < 0) return toggleFilm();
    const video = videoOf(shots[current()]);
    return video.paused ? video.play().catch(() => {}) : video.pause();
  };
  const to = (id) => { $(id).scrollIntoView(); };
  const bound = {
    j: () => focusShot(current() + 1), ArrowRight: () => focusShot(current() + 1),
    k: () => focusShot(current() < 0 ? 0 : current() - 1), ArrowLeft: () => focusShot(current() < 0 ? 0 : current() - 1),
    " ": togglePlay,
    f: () => { to("#film"); play.focus({ preventScroll: true }); }, m: () => to("#memory"), t: toggleTheme, "?": () => keys.showModal(),
  };
  const takesKeys = (element, key) => {
    if (key === " ") return element.matches("button, a, summary, input, video");
    return key.startsWith("Arrow") && element.matches("video, input, .scroll");
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    const act = bound[event.key];
    if (!act || takesKeys(event.target, event.key)) return;
    event.preventDefault();
    act();
  });
  showCue();
  light(null);
})();
