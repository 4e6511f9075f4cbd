"use strict";
// Play the videos of a row together; the first one sets the time.
document.addEventListener("click", ({ target }) => {
  if (!target.matches(".in-step")) return;
  const videos = [...target.closest("tr, .pair").querySelectorAll("video")];
  const [leader] = videos;
  const playing = videos.some((video) => !video.paused);
  document.querySelectorAll("video").forEach((video) => video.pause());
  if (playing || !leader) return;
  videos.forEach((video) => { video.currentTime = 0; video.play().catch(() => {}); });
  leader.ontimeupdate = () => videos.slice(1).forEach((video) => {
    if (Math.abs(video.currentTime - leader.currentTime) > 0.08 && leader.currentTime < video.duration) video.currentTime = leader.currentTime;
  });
});
