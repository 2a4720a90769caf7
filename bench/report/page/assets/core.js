"use strict";
// What all parts of the page use: the data, files that are loaded when they are wanted, elements, the theme.
window.report = (() => {
  const arrived = new Map(), wanted = new Map();

  // A file beside the page calls this: pages from disk may load scripts, and nothing else.
  function put(name, content) {
    arrived.set(name, content);
    wanted.get(name)?.resolve(content);
  }

  // Return a promise of what the file `name`.js beside the page holds; it is loaded once.
  function want(name) {
    if (arrived.has(name)) return Promise.resolve(arrived.get(name));
    const inside = document.querySelector(`script[type="application/json"][data-name="${CSS.escape(name)}"]`);
    if (inside) {
      put(name, JSON.parse(inside.textContent));
      return Promise.resolve(arrived.get(name));
    }
    if (!wanted.has(name)) {
      const one = {};
      one.promise = new Promise((resolve, reject) => { one.resolve = resolve; one.reject = reject; });
      wanted.set(name, one);
      const script = document.createElement("script");
      script.src = name.split("/").map(encodeURIComponent).join("/") + ".js";
      script.onerror = () => { wanted.delete(name); one.reject(new Error(`${name}.js is not beside the page`)); };
      document.head.append(script);
    }
    return wanted.get(name).promise;
  }

  // Let go of what a file held, which is large; it is loaded again when it is wanted again.
  function forget(name) {
    arrived.delete(name);
    wanted.delete(name);
  }

  // Make an element: attributes by name, functions as listeners, children as text or elements.
  function make(tag, attributes = {}, ...children) {
    const svg = ["svg", "g", "line", "path", "circle", "rect", "text", "title", "use", "polyline"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (typeof value === "function") element.addEventListener(name, value);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child != null));
    return element;
  }

  // The mark of a method beside its name, as figures have it.
  function mark(label) {
    const [colour, number] = report.data.looks[label] ?? ["currentColor", 0];
    const use = make("use", { href: `#mark-${number}` });
    return make("svg", { class: "mark", viewBox: "-6 -6 12 12", style: `color:${colour}`, "aria-hidden": "true" }, use);
  }

  function say(text) {
    document.querySelector(".toast")?.remove();
    const toast = make("div", { class: "toast", role: "status" }, text);
    document.body.append(toast);
    setTimeout(() => toast.remove(), 2500);
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // pages from disk may not, in some browsers
      const area = make("textarea", { style: "position:fixed;opacity:0" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    say("copied");
  }

  function theme() {
    const button = document.getElementById("theme");
    const order = ["", "light", "dark"], words = { "": "as the system", light: "light", dark: "dark" };
    const remembered = () => { try { return localStorage.getItem("theme") ?? ""; } catch { return ""; } };
    const apply = (value) => {
      if (value) document.documentElement.dataset.theme = value;
      else delete document.documentElement.dataset.theme;
      button.textContent = `Theme: ${words[value]}`;
      button.dataset.value = value;
    };
    apply(order.includes(remembered()) ? remembered() : "");
    button.addEventListener("click", () => {
      const next = order[(order.indexOf(button.dataset.value) + 1) % order.length];
      try { localStorage.setItem("theme", next); } catch { /* it is not remembered */ }
      apply(next);
    });
  }

  const data = JSON.parse(document.getElementById("data").textContent);
  theme();
  return { data, put, want, forget, make, mark, say, copy };
})();
