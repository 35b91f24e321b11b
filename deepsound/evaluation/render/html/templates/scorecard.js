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

  // Which tracks a cell, a bar, a bin, a slice or a point stands for, listed at a click; the address says which.
  const {genres, tracks, picks, home} = JSON.parse(document.getElementById("data").textContent);
  const panel = document.getElementById("picked");
  const [heading, lead, list] = panel.querySelectorAll("h2, p, ol");
  const audioOf = place => document.querySelector(`#track-${place} audio`);
  const placesOf = pick => {
    const [kind, place] = pick.split("=");
    return kind === "track" ? [Number(place)].filter(i => i in tracks) : Object.hasOwn(picks, pick) ? picks[pick] : [];
  };
  let origin = null;
  const show = pick => {
    const places = placesOf(pick);
    const shape = [...document.querySelectorAll("[data-pick]")].find(one => one.dataset.pick === pick);
    for (const one of document.querySelectorAll(".picked")) one.classList.remove("picked");
    if (!shape && !places.length) return;
    if (shape) {
      shape.classList.add("picked");
      if (shape.closest("details")) shape.closest("details").open = true;
    }
    heading.textContent = shape ? (shape.querySelector("title") || shape).textContent : "One track";
    const shown = places.slice(0, 100);
    const of = shown.length < places.length ? ` of ${places.length}` : "";
    lead.textContent = places.length ? `${shown.length}${of} listed, the surest first` : "None of these tracks is known to the page.";
    list.replaceChildren(...shown.map(i => {
      const track = tracks[i];
      const [row, name, said] = ["li", "span", "em"].map(tag => document.createElement(tag));
      const button = document.createElement(track[5] ? "button" : "span");
      if (track[5]) {
        button.type = "button";
        button.textContent = "\u25b6";
        button.setAttribute("aria-label", "play " + track[0]);
        button.addEventListener("click", () => play(audioOf(i)));
      }
      name.textContent = track[0];
      const own = track[1] < 0 ? "" : genres[track[1]] + " \u2192 ";
      said.textContent = `${own}${genres[track[2]]} ${Math.round(100 * track[3])} %${track[4] ? ", out-of-distribution" : ""}`;
      row.append(button, name, said);
      return row;
    }));
    panel.hidden = false;
  };
  const choose = pick => {
    try { history.replaceState(null, "", "#" + pick); } catch { /* an address that may not be changed */ }
    show(pick);
  };
  const close = () => {
    panel.hidden = true;
    for (const one of document.querySelectorAll(".picked")) one.classList.remove("picked");
    if (origin) origin.focus();
  };
  for (const shape of document.querySelectorAll("[data-pick]")) {
    const open = () => { origin = shape; choose(shape.dataset.pick); };
    (shape.closest("tr") || shape).addEventListener("click", open);
    shape.addEventListener("keydown", event => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open();
      (panel.querySelector("li button") || panel.querySelector(".close")).focus();
    });
  }
  panel.querySelector(".close").addEventListener("click", close);
  document.addEventListener("keydown", event => { if (event.key === "Escape" && !panel.hidden) close(); });
  addEventListener("hashchange", () => show(location.hash.slice(1)));
  show(location.hash.slice(1));

  for (const figure of document.querySelectorAll(".map")) {
    const [select, canvas, legend, output] = figure.querySelectorAll("select, canvas, .legend, output");
    const pen = canvas.getContext("2d");
    const points = tracks.map((track, i) => ({track, i})).filter(({track}) => track.length > 6);
    const at = ([x, y]) => [20 + x * (canvas.width - 40), 20 + y * (canvas.height - 40)];
    const theme = matchMedia("(prefers-color-scheme: dark)");
    const draw = () => {
      const style = getComputedStyle(document.documentElement);
      const [quiet, accent, second] = ["--quiet", "--accent", "--second"].map(name => style.getPropertyValue(name));
      // As light as each other, so that none is lost against the card.
      const hue = i => `oklch(${(theme.matches ? .72 : .5) + .1 * (i % 2)} .15 ${Math.round(360 * i / genres.length)})`;
      const ways = {
        genre: [genres.map((name, i) => [name, hue(i)]), track => track[1] < 0 ? track[2] : track[1]],
        right: [[["right", accent], ["wrong", second], ["no label", quiet]], t => t[1] < 0 ? 2 : Number(t[1] !== t[2])],
        ood: [[["in-distribution", accent], ["out-of-distribution", second]], track => track[4]],
      };
      const [names, index] = ways[select.value];
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.fillStyle = quiet;
      pen.globalAlpha = .35;
      for (const place of home) pen.fillRect(...at(place).map(value => value - 1.5), 3, 3);
      pen.globalAlpha = .85;
      for (const {track} of points) {
        pen.beginPath();
        pen.arc(...at(track.slice(6)), track[5] ? 8 : 5, 0, 7);
        pen.fillStyle = pen.strokeStyle = names[index(track)][1];
        track[4] && select.value !== "ood" ? (pen.lineWidth = 2.5, pen.stroke()) : pen.fill();
      }
      pen.globalAlpha = 1;
      legend.replaceChildren(...names.flatMap(([name, colour]) => {
        const dot = document.createElement("i");
        dot.style.background = colour;
        return [dot, name];
      }), select.value === "ood" ? "" : "; hollow: out-of-distribution; large: can be heard");
    };
    const nearest = event => {
      const box = canvas.getBoundingClientRect();
      const x = (event.clientX - box.left) * canvas.width / box.width, y = (event.clientY - box.top) * canvas.height / box.height;
      let best = null, least = 400;
      for (const point of points) {
        const [left, top] = at(point.track.slice(6)), far = (left - x) ** 2 + (top - y) ** 2;
        if (far < least) [best, least] = [point, far];
      }
      return best;
    };
    canvas.addEventListener("mousemove", event => {
      const point = nearest(event);
      canvas.style.cursor = point ? "pointer" : "";
      if (point) output.textContent = `${point.track[0]}: ${point.track[1] < 0 ? "" : genres[point.track[1]] + " \u2192 "}${genres[point.track[2]]}.`;
    });
    canvas.addEventListener("click", event => {
      const point = nearest(event);
      if (!point) return;
      choose("track=" + point.i);
      if (point.track[5]) play(audioOf(point.i));
    });
    select.addEventListener("change", draw);
    theme.addEventListener("change", draw);
    draw();
  }
})();
