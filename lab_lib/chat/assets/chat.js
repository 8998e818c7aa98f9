"use strict";
// Text of models and users only ever becomes text nodes. `busy` is the answer that is being read, which Stop ends.
const $ = (id) => document.getElementById(id);
let busy = null;

/** Return an element with texts and elements inside. */
function make(tag, className, ...inside) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...inside);
  return made;
}

/** Ask the server; throw its line where it refuses. */
async function ask(path, body, signal) {
  const how = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
  const response = await fetch(path, body ? how : { signal });
  if (!response.ok) throw new Error((await response.json()).error);
  return response;
}

/** Yield the values of a streamed answer, one a line. */
async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}

/** Add a message to the log and return the element of its text. */
function add(who, text) {
  const said = make("span", "said", text);
  $("log").append(make("li", who === "You" ? "user" : "model", make("span", "who", who), said));
  follow();
  return said;
}

function follow() {
  $("log").scrollTop = $("log").scrollHeight;
}

/** Put a whole answer where it was streamed to: filled, and as the model wrote it where that differs. */
function finish(said, answer) {
  said.textContent = answer.filled || "(an empty answer)";
  if (answer.filled !== answer.reply) said.after(make("span", "as", `as written: ${answer.reply}`));
  if (answer.facts.length) said.parentNode.append(facts(answer.facts));
  for (const note of answer.notes) said.parentNode.append(make("span", "as", note));
  if (!$("side").hidden) believe(answer);
  follow();
}

/** Show the belief state, and what led to it. */
function believe({ state, call, problems, found }) {
  const tables = Object.entries(state).map(([service, slots]) => {
    const rows = Object.entries(slots).map(([slot, value]) => {
      const head = make("th", "", slot);
      head.scope = "row";
      return make("tr", "", head, make("td", "", value));
    });
    return make("table", "", make("caption", "", service), make("tbody", "", ...rows));
  });
  $("state").replaceChildren(...(tables.length ? tables : [make("p", "none", "nothing is asked for yet")]));
  const facts = { "Called": call, "Wrong with it": (problems || []).join("\n"), "The database says": found };
  const shown = Object.entries(facts).filter(([, text]) => text);
  $("turn").replaceChildren(...shown.flatMap(([name, text]) => [make("dt", "", name), make("dd", "", text)]));
}

/** Say how things stand; `bad` for what went wrong. */
function status(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

function setBusy(controller) {
  busy = controller;
  $("stop").hidden = !busy;
  for (const id of ["send", "reset", "each", "choices"]) $(id).disabled = Boolean(busy);
}

/** Show a conversation from its beginning. */
function show({ name, notes, turns, state, choices, chosen }) {
  $("name").textContent = name;
  document.title = `Chat with ${name}`;
  $("notes").replaceChildren(...notes.map((note) => make("li", "", note)));
  $("log").replaceChildren();
  $("side").hidden = state === null;
  if (state) believe({ state });
  offer(choices, chosen);
  for (const { user, answer } of turns) {
    add("You", user);
    finish(add("Model", ""), answer);
  }
}

/** Send a message, and show the answer as it is written. What is not finished is taken back. */
async function say(text) {
  setBusy(new AbortController());
  await opened; // what was said before stands first
  const asked = add("You", text);
  const said = add("Model", "…");
  status("The model is writing …");
  try {
    for await (const line of lines(await ask("say", { text }, busy.signal))) {
      if (line.error) throw new Error(line.error);
      if (line.reply) said.textContent = line.reply;
      if (line.answer) done(said, line.answer);
      follow();
    }
    if (!said.dataset.done) throw new Error("The server ended before the answer did.");
  } catch (error) {
    for (const message of [asked, said]) message.parentNode.remove();
    if (!$("text").value) $("text").value = text;
    status(busy.signal.aborted ? "Stopped. Your message is back in its field." : error.message, !busy.signal.aborted);
  }
  setBusy(null);
}

/** Show a finished answer, and have screen readers read it, which do not read the log while it grows. */
function done(said, answer) {
  said.dataset.done = "yes";
  finish(said, answer);
  $("spoken").textContent = `Model: ${answer.filled}`;
  status("");
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (busy || !text) return;
  $("text").value = "";
  $("text").focus();
  say(text);
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("form").requestSubmit();
});
$("stop").addEventListener("click", () => {
  busy?.abort();
  $("text").focus();
});
$("reset").addEventListener("click", async () => {
  try {
    show(await (await ask("reset", {})).json());
    status("A new conversation.");
  } catch (error) {
    status(error.message, true);
  }
  $("text").focus();
});
$("choices").addEventListener("change", ({ target }) => choose(target.value));
$("each").addEventListener("click", () => {
  const text = $("text").value.trim();
  if (text && !busy) showEach(text);
  if (!text) status("Write a message first.", true);
});
const opened = ask("history").then((response) => response.json()).then(show, (error) => status(error.message, true));
