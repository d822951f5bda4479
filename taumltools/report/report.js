// Turns alternatives into tabs or behind a list, puts the plots into their places, and keeps a picture of each
// plot for printing, because a drawing of fixed width does not fit paper.
"use strict";

let items = [];
const drawn = new Map();
const pictures = new Map();

const placeOf = (item) => document.getElementById(item.target_id);
const isOpen = (item) => !placeOf(item).closest(".closed");
const atLeisure = () => new Promise((resolve) => (window.requestIdleCallback ?? setTimeout)(resolve));

function draw(item) {
  if (!drawn.has(item)) {
    drawn.set(item, Bokeh.embed.embed_item(item).then((views) =>
      // Bokeh adds a root for its own messages; the plot is the one that was asked for.
      [...views].find((one) => one.model.id === item.root_id)));
  }
  return drawn.get(item);
}

function show(parts, chosen) {
  parts.forEach((part, i) => part.classList.toggle("closed", i !== chosen));
  items.filter(isOpen).forEach(draw);
}

function makeButtons(list, parts) {
  const buttons = parts.map((part) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = part.dataset.name;
    button.setAttribute("role", "tab");
    list.append(button);
    return button;
  });
  const choose = (chosen) => {
    show(parts, chosen);
    buttons.forEach((button, i) => {
      button.setAttribute("aria-selected", String(i === chosen));
      button.tabIndex = i === chosen ? 0 : -1;
    });
  };
  buttons.forEach((button, i) => {
    button.addEventListener("click", () => choose(i));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      const next = (i + step + buttons.length) % buttons.length;
      choose(next);
      buttons[next].focus();
    });
  });
  choose(0);
}

function makeSelect(select, parts) {
  parts.forEach((part) => select.add(new Option(part.dataset.name)));
  select.addEventListener("change", () => show(parts, select.selectedIndex));
  select.selectedIndex = 0;
  show(parts, 0);
}

function makeTabs(tabs) {
  const parts = [...tabs.querySelectorAll(":scope > .tab")];
  const list = tabs.querySelector(":scope > .tab-list");
  if (list) makeButtons(list, parts);
  else makeSelect(tabs.querySelector(":scope > .choice > select"), parts);
  tabs.classList.add("ready");
}

// A new picture takes the place of the old one when it is there: an image whose source changes while it is
// decoded is an error.
async function takePicture(place, view) {
  const picture = new Image();
  picture.className = "paper";
  picture.alt = "";
  picture.src = URL.createObjectURL(await view.export().to_blob());
  await picture.decode();
  const old = place.parentElement.querySelector(".paper");
  if (old) {
    old.replaceWith(picture);
    URL.revokeObjectURL(old.src);
  } else {
    place.after(picture);
  }
  place.classList.add("has-paper");
}

// Pictures of one plot are made one after the other, so that the last one shows what the plot became.
function renewPicture(place, view) {
  const before = pictures.get(place) ?? Promise.resolve();
  const made = before.then(() => takePicture(place, view)).catch((error) => {
    console.error(`no picture of ${place.id} for printing: ${error.message}`);
  });
  pictures.set(place, made);
  return made;
}

function keepPicture(place, view) {
  let timer = null;
  view.model.document.on_change(() => {
    clearTimeout(timer);
    timer = setTimeout(() => renewPicture(place, view), 500);
  });
  return renewPicture(place, view);
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

async function drawPlots() {
  items = Object.values(await unpack(document.getElementById("plots").textContent));
  for (const item of items.filter(isOpen)) await draw(item);
  document.body.dataset.ready = "true";
  // Closed plots and pictures for paper come when there is time, so that the page can be read meanwhile.
  for (const item of items) {
    await atLeisure();
    await keepPicture(placeOf(item), await draw(item));
  }
  document.body.dataset.complete = "true";
}

Bokeh.set_log_level("error");
document.querySelectorAll(".tabs").forEach(makeTabs);
drawPlots();
