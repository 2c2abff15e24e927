"use strict";
(() => {
  const told = document.getElementById("told");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let active = null;

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  class Recording {
    constructor(section) {
      this.section = section;
      this.media = section.querySelector("video, audio");
      this.tracks = section.querySelector(".tracks");
      this.playhead = section.querySelector(".playhead");
      this.now = section.querySelector(".now");
      this.rows = [...section.querySelectorAll(".facts tbody tr")];
      this.links = new Map([...section.querySelectorAll("[data-of]")].map((a) => [a.dataset.of, a]));
      this.heads = [...section.querySelectorAll(".facts thead th")].map((th) => th.textContent);
      this.timed = this.rows.filter((row) => row.dataset.start !== undefined)
        .sort((a, b) => a.dataset.start - b.dataset.start);
      this.order = this.timed.length ? this.timed : this.rows;
      this.current = null;
      this.links.forEach((link) => { link.tabIndex = -1; });
      this.listen();
      if (this.tracks) this.prepareTracks();
      if (this.order.length) this.show(this.order[0], false);
    }

    listen() {
      this.section.addEventListener("click", (event) => this.clicked(event));
      this.section.addEventListener("focusin", () => { active = this; });
      if (!this.media) return;
      const fault = this.section.querySelector(".fault");
      this.media.addEventListener("error", () => { fault.hidden = false; });
      this.media.addEventListener("loadedmetadata", () => { fault.hidden = true; });
      this.media.addEventListener("play", () => {
        active = this;
        recordings.filter((other) => other !== this && other.media).forEach((other) => other.media.pause());
        this.follow();
      });
      this.media.addEventListener("timeupdate", () => this.moved());
      this.media.addEventListener("seeking", () => this.moved());
    }

    prepareTracks() {
      this.total = Number(this.tracks.dataset.total);
      const zoom = this.section.querySelector(".zoom");
      zoom.hidden = false;
      zoom.addEventListener("click", (event) => {
        const how = event.target.dataset.zoom;
        if (how === "fit") this.rescale(0);
        if (how === "in") this.rescale(this.scale * 1.6);
        if (how === "out") this.rescale(this.scale / 1.6);
      });
      this.rescale(Number(this.tracks.dataset.scale));
      addEventListener("resize", () => this.rescale(this.scale));
    }

    rescale(scale) {
      const whole = this.tracks.clientWidth / this.total;
      const middle = this.tracks.scrollLeft + this.tracks.clientWidth / 2;
      const ratio = this.scale ? middle / this.scale : 0;
      this.scale = Math.min(Math.max(scale, whole), Math.max(whole, 120000 / this.total));
      this.tracks.style.setProperty("--scale", this.scale);
      if (ratio) this.tracks.scrollLeft = ratio * this.scale - this.tracks.clientWidth / 2;
      this.drawTicks();
    }

    drawTicks() {
      const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600];
      const step = steps.find((each) => each * this.scale >= 56) || 7200;
      const ticks = this.section.querySelector(".ticks");
      ticks.replaceChildren();
      for (let i = 0; i * step < this.total && i < 3000; i += 1) {
        const tick = element("span", "", clock(i * step, step < 1));
        tick.style.left = `${i * step * this.scale}px`;
        ticks.append(tick);
      }
    }

    clicked(event) {
      active = this;
      const link = event.target.closest("[data-of], [data-jump]");
      if (link) {
        event.preventDefault();
        this.jump(document.getElementById(link.dataset.of || link.dataset.jump));
        return;
      }
      const row = event.target.closest(".facts tbody tr");
      if (row && !String(getSelection())) {
        this.jump(row);
        return;
      }
      const lane = event.target.closest(".lane");
      if (lane) this.seek((event.clientX - lane.getBoundingClientRect().left) / this.scale);
    }

    seek(seconds) {
      if (this.media) {
        this.media.preload = "auto";
        this.media.currentTime = seconds;
      }
      this.mark(seconds);
    }

    jump(row) {
      if (!row) return;
      active = this;
      this.show(row, true);
      // A little inside, since a player may stop just before where it was sent.
      if (row.dataset.start !== undefined) this.seek(Number(row.dataset.start) + 0.001);
      told.textContent = this.links.get(row.id)?.getAttribute("aria-label") || row.innerText;
    }

    step(by) {
      const at = this.order.indexOf(this.current);
      const next = this.order[Math.min(Math.max(at + by, 0), this.order.length - 1)];
      const inLane = this.links.get(this.current?.id) === document.activeElement;
      this.jump(next);
      if (inLane) this.links.get(next.id)?.focus({ preventScroll: true });
    }

    toggle() {
      if (!this.media) return;
      if (this.media.paused) this.media.play().catch(() => {});
      else this.media.pause();
    }

    follow() {
      const draw = () => {
        this.mark(this.media.currentTime);
        if (!this.media.paused && !this.media.ended) requestAnimationFrame(draw);
      };
      requestAnimationFrame(draw);
    }

    moved() {
      const time = this.media.currentTime;
      this.mark(time);
      const row = this.at(time);
      const here = this.current && this.current.dataset.start !== undefined
        && this.current.dataset.start <= time && time < this.current.dataset.end;
      if (row && !here) this.show(row, true);
    }

    at(time) {
      let low = 0;
      let high = this.timed.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (Number(this.timed[middle].dataset.start) <= time) low = middle + 1;
        else high = middle;
      }
      for (let i = low - 1; i >= 0 && i >= low - 50; i -= 1) {
        if (time < Number(this.timed[i].dataset.end)) return this.timed[i];
      }
      return null;
    }

    mark(seconds) {
      if (!this.tracks) return;
      this.playhead.hidden = false;
      this.tracks.style.setProperty("--now", seconds);
    }

    show(row, scroll) {
      if (row === this.current) return;
      for (const [marked, on] of [[this.current, false], [row, true]]) {
        if (!marked) continue;
        marked.classList.toggle("current", on);
        const link = this.links.get(marked.id);
        if (!link) continue;
        link.parentElement.classList.toggle("current", on);
        link.tabIndex = on ? 0 : -1;
        if (on) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
      this.current = row;
      this.describe(row);
      if (scroll && this.tracks && row.dataset.start !== undefined) this.reveal(row);
    }

    reveal(row) {
      const left = row.dataset.start * this.scale;
      const right = row.dataset.end * this.scale;
      const seen = this.tracks.scrollLeft;
      if (left < seen || right > seen + this.tracks.clientWidth) {
        this.tracks.scrollTo({ left: left - 0.2 * this.tracks.clientWidth, behavior: calm.matches ? "auto" : "smooth" });
      }
    }

    describe(row) {
      const take = (name) => row.querySelector(`.${name}`);
      const text = (name) => (take(name) ? take(name).textContent.trim() : "");
      const shown = [];
      const when = [text("when"), text("who")].filter(Boolean).join(" · ");
      if (when) shown.push(element("p", "quiet", when));
      const felt = element("p", "felt");
      felt.append(take("felt").firstElementChild.cloneNode(true));
      shown.push(felt);
      if (text("words")) shown.push(element("p", "words", `“${text("words")}”`));
      shown.forEach((each) => { each.dir = "auto"; });
      const shares = [...row.querySelectorAll(".share")].sort((a, b) => b.dataset.part - a.dataset.part);
      if (shares.length) shown.push(this.bars(shares));
      for (const name of ["alone", "remarks"]) {
        const list = take(name)?.querySelector("ul");
        if (!list) continue;
        if (name === "alone") shown.push(element("p", "quiet", "Each modality alone:"));
        shown.push(list.cloneNode(true));
      }
      this.now.replaceChildren(...shown);
      this.now.hidden = false;
    }

    bars(shares) {
      const list = element("dl");
      for (const share of shares) {
        const bar = element("div", "bar");
        const part = element("i");
        part.style.width = `${100 * share.dataset.part}%`;
        part.style.background = share.dataset.colour;
        bar.append(part);
        bar.setAttribute("aria-hidden", "true");
        const name = element("dt", "", share.dataset.name);
        const value = element("dd", "", share.textContent);
        list.append(name, bar, value);
      }
      return list;
    }
  }

  function clock(seconds, fine) {
    const whole = Math.floor(seconds + 1e-6);
    const two = (n) => String(n).padStart(2, "0");
    const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
    const text = h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
    return fine ? `${text}.${Math.round(10 * (seconds - whole))}` : text;
  }

  function typing(target) {
    return target.closest("input, select, textarea, button, summary, [contenteditable]") !== null;
  }

  // A table that is wider than the screen is scrolled by the arrows.
  function sideways(target) {
    return target.matches(".scroll") && target.scrollWidth > target.clientWidth;
  }

  document.documentElement.classList.add("scripted");
  const recordings = [...document.querySelectorAll(".recording")].map((section) => new Recording(section));
  active = recordings[0] || null;

  document.addEventListener("keydown", (event) => {
    if (!active || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (typing(event.target) || sideways(event.target)) return;
    if (event.key === "ArrowRight") active.step(1);
    else if (event.key === "ArrowLeft") active.step(-1);
    else if (event.key === " ") active.toggle();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
})();
