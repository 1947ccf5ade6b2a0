// Makes the graph of the page alive: values at a cursor, a selection that zooms, keys, touch. It knows no time zone and
// no unit: the texts come with the graph, and addresses take UTC. Without it the page is whole.
"use strict";
(() => {
  const RELOAD_MS = 300_000;
  const LEAST_PIXELS = 8;
  const LEAST_SECONDS = 60;
  const SVG = "http://www.w3.org/2000/svg";
  const phone = matchMedia("(max-width: 40rem)");
  const plots = [];

  const make = (name, attributes, namespace) => {
    const element = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  // The page with another window; the browser's "back" returns to this one.
  const show = (since, until) => {
    const address = new URL(location.href);
    address.searchParams.delete("days");
    const text = (seconds) => new Date(Math.round(seconds) * 1000).toISOString().replace(".000", "");
    address.searchParams.set("from", text(since));
    address.searchParams.set("to", text(until));
    location.assign(address);
  };

  class Plot {
    constructor(holder, svg, readings) {
      Object.assign(this, readings, { holder, svg, place: -1, mark: null, begin: null });
      [this.left, this.top, this.width, this.height] = this.box;
      this.cursor = make("path", { class: "cursor" }, SVG);
      this.selected = make("rect", { class: "selected", y: this.top, height: this.height, width: 0 }, SVG);
      svg.append(this.selected, this.cursor);
      this.values = make("dl", { class: "values key" });
      this.values.append(make("dt", { class: "quiet" }), make("dd", { class: "quiet" }));
      this.values.firstChild.textContent = "Values";
      this.values.lastChild.textContent = "Point at the graph to read them; drag across it to zoom.";
      holder.after(this.values);
      const help = "arrow keys: values; Enter twice: zoom to what is between; + and -: zoom; Page keys: earlier, later";
      for (const [key, value] of Object.entries({
        role: "slider", tabindex: 0, "aria-label": `Graph; ${help}`, "aria-describedby": svg.querySelector("desc").id,
        "aria-valuemin": 0, "aria-valuemax": Math.max(this.at.length - 1, 0), "aria-valuenow": 0,
        "aria-valuetext": "no test chosen",
      })) holder.setAttribute(key, value);
      for (const kind of ["down", "move", "up", "cancel"]) {
        holder.addEventListener(`pointer${kind}`, (event) => this[kind](event));
      }
      holder.addEventListener("keydown", (event) => this.key(event));
    }

    x(event) {
      const { left, width } = this.svg.getBoundingClientRect();
      return clamp(((event.clientX - left) / width) * this.svg.viewBox.baseVal.width, this.left, this.left + this.width);
    }

    time(x) {
      const [start, end] = this.span;
      return start + ((x - this.left) / this.width) * (end - start);
    }

    nearest(x) {
      let low = 0;
      let high = this.at.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.at[middle][0] + this.at[middle + 1][0] < 2 * x) low = middle + 1;
        else high = middle;
      }
      return low;
    }

    // The cursors of all plots stand at the same time.
    point(place) {
      if (!this.at.length) return;
      const time = this.time(this.at[place][0]);
      for (const plot of plots) if (plot.at.length) plot.read(plot === this ? place : plot.nearest(plot.xOf(time)));
    }

    xOf(time) {
      const [start, end] = this.span;
      return this.left + (this.width * (time - start)) / (end - start);
    }

    read(place) {
      this.place = place;
      const [x, when, failures, ...values] = this.at[place];
      this.cursor.setAttribute("d", `M${x} ${this.top}v${this.height}`);
      const rows = this.names.map((name, index) => [name, values[index], this.classes[index]]);
      if (failures) rows.push(["Failed", failures, "ink"]);
      this.values.replaceChildren();
      const measured = rows.filter((row) => row[1]);
      for (const [name, text, color] of [["", when, "when"], ...measured]) {
        this.values.append(make("dt", { class: color }), make("dd", { class: name ? "" : color }));
        this.values.lastChild.textContent = text;
        this.values.lastChild.previousSibling.textContent = name || "At";
      }
      this.holder.setAttribute("aria-valuenow", place);
      this.holder.setAttribute("aria-valuetext", [when, ...measured.map((row) => `${row[0]} ${row[1]}`)].join("; "));
    }

    select(from, to) {
      this.selected.setAttribute("x", Math.min(from, to));
      this.selected.setAttribute("width", Math.abs(to - from));
    }

    clear() {
      this.begin = this.mark = null;
      this.select(this.left, this.left);
    }

    zoom(from, to) {
      const [since, until] = [this.time(Math.min(from, to)), this.time(Math.max(from, to))];
      this.clear();
      if (until - since >= LEAST_SECONDS) show(since, until);
    }

    down(event) {
      if (event.button) return;
      this.begin = this.x(event);
      this.move(event);
    }

    move(event) {
      const x = this.x(event);
      this.point(this.nearest(x));
      if (this.begin === null) return;
      this.holder.setPointerCapture(event.pointerId);
      this.select(this.begin, x);
    }

    up(event) {
      const begin = this.begin;
      if (begin === null) return;
      const x = this.x(event);
      this.clear();
      if (Math.abs(x - begin) >= LEAST_PIXELS) this.zoom(begin, x);
    }

    cancel() {
      this.clear();
    }

    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const last = this.at.length - 1;
      const place = this.place < 0 ? last : this.place;
      const [start, end] = this.span;
      const [length, middle] = [end - start, last < 0 ? (start + end) / 2 : this.time(this.at[place][0])];
      const around = (span) => show(middle - span / 2, middle + span / 2);
      const steps = { ArrowLeft: place - 1, ArrowRight: this.place < 0 ? last : place + 1, Home: 0, End: last };
      const others = {
        "+": () => length / 2 >= LEAST_SECONDS && around(length / 2),
        "-": () => around(length * 2),
        PageUp: () => show(start - length, start),
        PageDown: () => show(end, end + length),
        Escape: () => this.clear(),
        Enter: () => this.enter(),
      };
      if (event.key in steps) this.point(clamp(steps[event.key], 0, Math.max(last, 0)));
      else if (event.key in others) others[event.key]();
      else return;
      if (this.mark !== null && this.place >= 0) this.select(this.mark, this.at[this.place][0]);
      event.preventDefault();
    }

    enter() {
      if (this.place < 0) return;
      const x = this.at[this.place][0];
      if (this.mark === null) this.mark = x;
      else this.zoom(this.mark, x);
    }
  }

  const draw = async (graph) => {
    const answer = await fetch(phone.matches ? graph.dataset.phone : graph.dataset.wide);
    if (!answer.ok) return;
    // The page has the rules of the graph itself, and its policy allows none that come with it.
    const text = (await answer.text()).replace(/<style>[^<]*<\/style>/, "");
    const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    if (svg.localName !== "svg") return;
    const holder = make("div", { class: "plot" });
    holder.append(document.importNode(svg, true));
    plots.length = 0;
    graph.replaceChildren(holder);
    for (const readings of JSON.parse(svg.dataset.readings ?? "[]")) plots.push(new Plot(holder, holder.firstChild, readings));
  };

  const start = () => {
    for (const graph of document.querySelectorAll(".graph")) draw(graph).catch(() => undefined);
  };

  phone.addEventListener("change", start);
  const reload = () => (document.hidden || plots.some((plot) => plot.place >= 0) ? setTimeout(reload, RELOAD_MS) : location.reload());
  setTimeout(reload, RELOAD_MS);
  start();
})();
