"use strict";
// The dialogue list: sorted, filtered and opened on demand. All text goes in as text nodes, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const names = data.names; // names[0] is the reference; every list of a dialogue runs parallel to it
  const { item: kind, answer, answers, verdicts: [first, second] } = data.task; // what things are called
  const at = (id) => document.getElementById(id);
  const shownColumns = new Set(names.keys());

  function make(tag, options, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(options || {})) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  // ---- one dialogue ------------------------------------------------------------------------------------------
  const focus = () => Number(at("focus").value);
  const verdict = (dialogue, system) => dialogue.verdicts[system] || null;
  const total = (dialogue, system, what) => ((verdict(dialogue, system) || {})[what] || {}).total;
  const causes = (dialogue, system) => (verdict(dialogue, system) || {}).causes || [];

  function badge(label, value) {
    if (value === undefined || value === null) return make("span", { class: "badge none" }, label + " not scored");
    return make("span", { class: "badge " + (value ? "ok" : "bad") }, (value ? "\u2713 " : "\u2717 ") + label);
  }

  // "hotel \u2713 \u2717": inform, then success.
  function domainBadge(domain, inform, success) {
    const mark = (value) => (value ? "\u2713" : "\u2717");
    const spelt = domain + ": " + first + " " + (inform ? "met" : "missed") + ", " + second + " " + (success ? "met" : "missed");
    return make("span", { class: "badge " + (inform && success ? "ok" : "bad"), role: "img", "aria-label": spelt, title: spelt },
      domain + " " + mark(inform) + " " + mark(success));
  }

  function verdictBadges(dialogue, system) {
    const found = verdict(dialogue, system);
    if (!found) return null;
    const box = make("div", { class: "marks" }, badge(first, total(dialogue, system, "match")),
      badge(second, total(dialogue, system, "success")));
    const domains = Object.keys(found.match || {}).filter((domain) => domain !== "total");
    for (const domain of domains) box.append(domainBadge(domain, found.match[domain], (found.success || {})[domain]));
    return box;
  }

  const spoken = (value) => (Array.isArray(value) ? value.join(", ")
    : value && typeof value === "object" ? Object.entries(value).map(([key, item]) => key + " " + spoken(item)).join(", ")
    : String(value));

  function goalLine(goal) {
    const line = make("div", { class: "goal", "aria-label": "Goal" }, make("span", {}, "Goal"));
    if (Object.values(goal).every((wishes) => spoken(wishes || {}) === "")) return null;
    for (const [domain, wishes] of Object.entries(goal)) {
      const part = Object.entries(wishes || {}).filter(([, value]) => spoken(value) !== "")
        .map(([what, value]) => (what === "informable" ? "" : what === "requestable" ? "asks " : what + " ") + spoken(value));
      line.append(make("span", {}, make("b", {}, domain), " " + part.join(" \u00b7 ")));
    }
    return line;
  }

  // What the user has asked for so far; what this turn added or changed is strong.
  function stateLine(state, before) {
    const line = make("p", { class: "state" });
    for (const [domain, slots] of Object.entries(state)) {
      if (!Object.keys(slots).length) continue;
      line.append(line.childNodes.length ? " \u00b7 " : "", make("b", {}, domain));
      for (const [slot, value] of Object.entries(slots)) {
        const old = spoken((before[domain] || {})[slot]) === spoken(value);
        line.append(" ", make(old ? "span" : "strong", {}, slot + "=" + spoken(value)));
      }
    }
    return line.childNodes.length ? line : null;
  }

  // parts: same, missing, extra, same, missing, extra, ...
  function reply(parts) {
    if (!parts) return make("span", { class: "missing" }, "no " + answer);
    if (parts.join("") === "") return make("span", { class: "missing" }, "empty " + answer);
    const text = make("span", { class: "said" });
    const different = parts.length === 3 && parts[0] === ""; // nothing shared: the reference need not be repeated
    parts.forEach((part, place) => {
      const [space, rest] = [/^\s*/.exec(part)[0], part.trimStart()];
      if (place % 3 === 0) text.append(part);
      else if (rest && !(different && place === 1)) text.append(space, make(place % 3 === 1 ? "del" : "ins", {}, rest));
      else if (place % 3 === 2) text.append(space);
    });
    return text;
  }

  // What a system called before its reply; the first turn whose state is wrong says so, as later ones inherit it.
  function callLine(dialogue, number, system) {
    const { calls, wrong } = dialogue.turns[number];
    if (!calls || !calls[system]) return null;
    const before = number ? dialogue.turns[number - 1].wrong[system] : false;
    const news = wrong[system] === null || wrong[system] === before ? null
      : make("span", { class: "badge " + (wrong[system] ? "bad" : "ok") }, wrong[system] ? "state wrong from here" : "state right again");
    return make("div", { class: "call" }, reply(calls[system]), news && " ", news);
  }

  function body(dialogue) {
    const columns = [...shownColumns].sort((a, b) => a - b);
    const head = make("tr", { role: "row" }, ...columns.map((system) => make("th",
      { scope: "col", role: "columnheader" }, names[system], verdictBadges(dialogue, system),
      causes(dialogue, system).length
        ? make("ul", { class: "causes" }, ...causes(dialogue, system).map((cause) => make("li", {}, cause))) : null)));
    const table = make("table", { class: "turns", role: "table", "aria-label": kind + " " + dialogue.key },
      make("thead", { role: "rowgroup" }, head));
    dialogue.turns.forEach((turn, number) => {
      const before = number ? dialogue.turns[number - 1].state : {};
      table.append(make("tbody", { role: "rowgroup" },
        make("tr", { role: "row" }, make("th", { scope: "rowgroup", role: "rowheader", colspan: Math.max(1, columns.length) },
          make("span", { class: "turn" }, "User " + (number + 1)), turn.user, stateLine(turn.state, before))),
        make("tr", { role: "row" }, ...columns.map((system) => make("td", { role: "cell" },
          make("span", { class: "who" }, names[system]), callLine(dialogue, number, system), reply(turn.replies[system]))))));
    });
    return make("div", { class: "body" }, goalLine(dialogue.goal), table);
  }

  // ---- the list ----------------------------------------------------------------------------------------------
  const items = data.dialogues.map((dialogue, order) => {
    const summary = make("summary");
    const details = make("details", { id: "dialogue-" + dialogue.key }, summary);
    const item = { dialogue, order, summary, details, row: make("li", {}, details), words: null };
    details.addEventListener("toggle", () => draw(item));
    return item;
  });

  // An open dialogue has a body, a closed one has none: memory stays with what is on the screen.
  function draw(item) {
    item.details.querySelectorAll(".body").forEach((old) => old.remove());
    if (item.details.open) item.details.append(body(item.dialogue));
  }

  function summarise(item) {
    const overlap = item.dialogue.overlap[focus()];
    item.summary.replaceChildren(
      make("span", { class: "key" }, item.dialogue.key),
      make("span", { class: "domains" }, Object.keys(item.dialogue.goal).join(", ")),
      badge(first, total(item.dialogue, focus(), "match")), badge(second, total(item.dialogue, focus(), "success")),
      make("span", { class: "overlap" }, overlap === null ? "no " + answers : "overlap " + overlap.toFixed(0) + " %"));
  }

  function words(item) {
    const { key, goal, turns } = item.dialogue;
    item.words = item.words || [key, spoken(goal), ...turns.flatMap((turn) => [turn.user,
      ...[...turn.replies, ...(turn.calls || [])].map((parts) => (parts || []).filter((_, place) => place % 3 !== 1).join(""))])].join("\n").toLowerCase();
    return item.words;
  }

  const low = (value, none) => (value === null ? none : value);
  const passed = (item) => (total(item.dialogue, focus(), "success") ? 2 : 0) + (total(item.dialogue, focus(), "match") ? 1 : 0);
  const overlapOf = (item) => item.dialogue.overlap[focus()];
  const orders = {
    order: (a, b) => a.order - b.order,
    key: (a, b) => a.dialogue.key.localeCompare(b.dialogue.key, "en", { numeric: true }),
    verdict: (a, b) => passed(a) - passed(b) || a.order - b.order,
    low: (a, b) => low(overlapOf(a), 101) - low(overlapOf(b), 101) || a.order - b.order,
    high: (a, b) => low(overlapOf(b), -1) - low(overlapOf(a), -1) || a.order - b.order,
  };

  function keep(item) {
    const success = total(item.dialogue, focus(), "success");
    const show = at("show").value;
    return (show === "all" || (show === "failed" ? success === false : success === true))
      && (!at("cause").value || causes(item.dialogue, focus()).includes(at("cause").value))
      && words(item).includes(at("text").value.toLowerCase().trim());
  }

  function arrange() {
    at("list").replaceChildren(...[...items].sort(orders[at("sort").value]).map((item) => item.row));
  }

  function filter() {
    let count = 0;
    for (const item of items) {
      item.row.hidden = !keep(item);
      count += item.row.hidden ? 0 : 1;
    }
    at("status").textContent = count + " of " + items.length + " " + kind + "s shown";
  }

  // ---- controls ----------------------------------------------------------------------------------------------
  function fillCauses() {
    const counts = new Map();
    for (const item of items) for (const cause of new Set(causes(item.dialogue, focus()))) counts.set(cause, (counts.get(cause) || 0) + 1);
    const sorted = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    const wanted = at("cause").value;
    at("cause").replaceChildren(make("option", { value: "" }, "any"),
      ...sorted.map(([cause, count]) => make("option", { value: cause }, cause + " (" + count + ")")));
    at("cause").value = counts.has(wanted) ? wanted : "";
  }

  function refocus() {
    fillCauses();
    items.forEach(summarise);
    arrange();
    filter();
  }

  function step(by) {
    const shown = [...at("list").children].filter((row) => !row.hidden).map((row) => row.querySelector("summary"));
    const here = shown.findIndex((summary) => summary.closest("li").contains(document.activeElement));
    const next = shown[here < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, here + by))];
    if (next) next.focus();
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    if (event.key === "/") { event.preventDefault(); at("text").focus(); }
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
  }

  function openLinked() {
    const wanted = decodeURIComponent(location.hash.slice(1));
    const item = items.find((one) => one.details.id === wanted);
    if (item) { item.details.open = true; item.row.scrollIntoView(); }
  }

  names.forEach((name, system) => {
    if (system) at("focus").append(make("option", { value: system }, name));
    const box = make("input", { type: "checkbox", checked: "" });
    box.addEventListener("change", () => {
      if (box.checked) shownColumns.add(system); else shownColumns.delete(system);
      items.filter((item) => item.details.open).forEach(draw);
    });
    at("columns").append(make("label", {}, box, name));
  });
  if (names.length === 1) at("focus").append(make("option", { value: 0 }, names[0]));
  at("focus").value = String(data.focus);
  at("focus").addEventListener("change", refocus);
  at("sort").addEventListener("change", arrange);
  at("text").addEventListener("input", filter);
  for (const id of ["show", "cause"]) at(id).addEventListener("change", filter);
  at("marks").addEventListener("change", () => at("list").classList.toggle("plain", !at("marks").checked));
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", openLinked);
  refocus();
  at("controls").hidden = false;
  openLinked();
})();
