"use strict";
(() => {
  const players = [...document.querySelectorAll("audio")];
  let current = players[0];

  // One clip at a time, with a cursor over its spectrogram and its place in the track.
  const move = audio => {
    const card = audio.closest("article");
    const share = audio.duration ? audio.currentTime / audio.duration : 0;
    for (const cursor of card.querySelectorAll(".cursor")) cursor.style.left = 100 * share + "%";
    if (!audio.paused) requestAnimationFrame(() => move(audio));
  };
  const play = audio => { current = audio; audio.paused ? audio.play() : audio.pause(); };
  for (const audio of players) {
    const card = audio.closest("article");
    audio.addEventListener("play", () => {
      current = audio;
      for (const other of players) if (other !== audio) other.pause();
      card.classList.add("playing");
      move(audio);
    });
    audio.addEventListener("pause", () => card.classList.remove("playing"));
    audio.addEventListener("seeking", () => move(audio));
    const picture = card.querySelector(".heard");
    picture.addEventListener("click", event => {
      const box = picture.getBoundingClientRect();
      if (audio.duration) audio.currentTime = audio.duration * (event.clientX - box.left) / box.width;
      current = audio;
      audio.play();
    });
  }
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !current) return;
    if (event.target.closest("a, button, input, select, summary, audio, [data-pick]")) return;
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    const next = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (event.key === " ") play(current);
    else if (step) current.currentTime = Math.max(0, current.currentTime + step);
    else if (next && !current.paused) {
      const other = players[players.indexOf(current) + next];
      if (other) { other.play(); other.closest("article").scrollIntoView({block: "nearest"}); }
    } else return;
    event.preventDefault();
  });
})();
