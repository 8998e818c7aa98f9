"use strict";
// Text of models and users only ever becomes text nodes. The key to run calls stands behind # in the address.
const $ = (id) => document.getElementById(id);
const key = decodeURIComponent(location.hash.slice(1));
const MOST = 6; // options that are shown
let recorder = null;

/** Return an element with texts and elements inside. */
function make(tag, className, ...inside) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...inside);
  return made;
}

/** Ask the server; throw its line where it refuses. */
async function ask(path, how) {
  const response = await fetch(path, how);
  const value = await response.json();
  if (!response.ok) throw new Error(value.error.message);
  return value;
}

function status(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

function setBusy(busy) {
  for (const id of ["send", "speak", "file"]) $(id).disabled = busy;
}

function percent(probability) {
  return `${(100 * probability).toFixed(probability < 0.1 && probability > 0 ? 1 : 0)} %`;
}

/** Add one message to the log. */
function add(who, className, ...inside) {
  $("log").append(make("li", className, make("span", "who", who), ...inside));
  $("log").scrollTop = $("log").scrollHeight;
}

/** Show what one request was understood as. */
function show(answer) {
  if (!answer.call) {
    const written = answer.written && answer.reason !== "missing" ? [make("code", "", answer.written)] : [];
    add("Model", answer.reason === "missing" ? "model" : "model refused", make("span", "said", answer.said), ...written,
      make("span", "check", `no call: ${answer.reason}`));
    return;
  }
  const lines = [make("code", "said", answer.call), make("span", "check",
    `checked; ${answer.name} ${percent(answer.probability)}, its arguments ${percent(answer.text_probability)}`)];
  if (answer.result !== null) lines.push(make("span", "result", answer.result));
  if (answer.said) lines.push(make("span", "check", answer.said));
  if (answer.lost) lines.push(make("span", "check", `Nothing was understood for: ${answer.lost}`));
  if (answer.runner_up) {
    lines.push(make("span", "as", `otherwise: ${answer.runner_up.text} (${percent(answer.runner_up.probability)})`));
  }
  add("Model", answer.said ? "model refused" : "model", ...lines);
}

/** Show the skills that could have been meant. */
function likely({ utterance, options }) {
  const rows = options.slice(0, MOST).map(({ name, probability }) => {
    const head = make("th", "", name);
    head.scope = "row";
    const bar = make("span", "bar");
    bar.style.width = `${100 * probability}%`;
    return make("tr", "", head, make("td", "", bar, make("span", "number", percent(probability))));
  });
  $("options").replaceChildren(make("table", "", make("caption", "", utterance), make("tbody", "", ...rows)));
}

/** Ask for what a person typed or said. */
async function say(text) {
  setBusy(true);
  await opened;
  add("You", "user", make("span", "said", text));
  status("The model is reading …");
  try {
    const run = !$("running").hidden && $("run").checked;
    const headers = { "Content-Type": "application/json", ...(run ? { "X-Run-Key": key } : {}) };
    const { answers } = await ask("ask", { method: "POST", headers, body: JSON.stringify({ text, run }) });
    answers.forEach(show);
    likely(answers[answers.length - 1]);
    const said = answers.map((answer) => answer.result || answer.said || answer.call).join(" ");
    $("spoken").textContent = `Model: ${said}`;
    status("");
    if (answers.some((answer) => answer.reason === "missing")) $("text").value = text; // to be completed
  } catch (error) {
    $("text").value = $("text").value || text;
    status(error.message, true);
  }
  setBusy(false);
}

/** Have a recording written down, and ask for it. */
async function hear(recording) {
  setBusy(true);
  status("The recording is being written down …");
  try {
    const type = recording.type || "application/octet-stream";
    const { text } = await ask("transcribe", { method: "POST", headers: { "Content-Type": type }, body: recording });
    if (!text.trim()) throw new Error("Nothing was said in this recording.");
    await say(text);
  } catch (error) {
    status(error.message, true);
  }
  setBusy(false);
}

/** Begin to record, or end and ask. */
async function record() {
  if (recorder) {
    recorder.stop();
    return;
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = () => {
      stream.getTracks().forEach((track) => track.stop());
      const { mimeType } = recorder;
      recorder = null;
      $("speak").textContent = "Speak";
      $("speak").setAttribute("aria-pressed", "false");
      hear(new Blob(parts, { type: mimeType }));
    };
    recorder.start();
    $("speak").textContent = "Stop and ask";
    $("speak").setAttribute("aria-pressed", "true");
  } catch (error) {
    recorder = null;
    status(`This browser does not record: ${error.message}`, true);
  }
}

/** Show what the server can do. */
function open({ model, skills, runs, speech }) {
  $("name").textContent = model;
  document.title = `Ask ${model}`;
  $("running").hidden = !(runs && key);
  const notes = [runs && !key ? "To run calls, open the address that the server printed: it has the key." : "",
    runs ? "" : "Calls are shown and not run: the server was started without --run."].filter(Boolean);
  $("notes").replaceChildren(...notes.map((note) => make("li", "", note)));
  $("uploading").hidden = !speech;
  $("speak").hidden = !(speech && navigator.mediaDevices && window.MediaRecorder);
  $("skills").replaceChildren(...skills.map(({ prompt }) => {
    const [signature, ...texts] = prompt.split("\n");
    return make("li", "", make("code", "", signature), texts.join(" "));
  }));
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if ($("send").disabled || !text) return;
  $("text").value = "";
  $("text").focus();
  say(text);
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("form").requestSubmit();
});
$("file").addEventListener("change", () => {
  const [recording] = $("file").files;
  $("file").value = "";
  if (recording) hear(recording);
});
$("speak").addEventListener("click", record);
const opened = ask("skills").then(open, (error) => status(error.message, true));
