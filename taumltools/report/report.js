// Turns alternatives into tabs, puts the plots into their places, and keeps a picture of each
// plot for printing, because a drawing of fixed width does not fit paper.
"use strict";

function makeTabs(tabs) {
  const list = tabs.querySelector(".tab-list");
  const parts = [...tabs.querySelectorAll(":scope > .tab")];
  const buttons = parts.map((part) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = part.dataset.name;
    button.setAttribute("role", "tab");
    list.append(button);
    return button;
  });
  const choose = (chosen) => {
    parts.forEach((part, i) => part.classList.toggle("closed", i !== chosen));
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
  tabs.classList.add("ready");
  choose(0);
}

async function takePicture(place, view) {
  const blob = await view.export().to_blob();
  let picture = place.parentElement.querySelector(".paper");
  if (!picture) {
    picture = document.createElement("img");
    picture.className = "paper";
    picture.alt = "";
    place.after(picture);
  }
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(blob);
  await picture.decode();
  place.classList.add("has-paper");
}

function keepPicture(place, view) {
  let timer = null;
  view.model.document.on_change(() => {
    clearTimeout(timer);
    timer = setTimeout(() => takePicture(place, view), 500);
  });
  return takePicture(place, view);
}

async function drawPlots() {
  const items = JSON.parse(document.getElementById("plots-json").textContent);
  const drawn = [];
  for (const item of Object.values(items)) {
    const views = await Bokeh.embed.embed_item(item);
    // Bokeh adds a root for its own messages; the plot is the one that was asked for.
    const view = [...views].find((one) => one.model.id === item.root_id);
    drawn.push([document.getElementById(item.target_id), view]);
  }
  for (const [place, view] of drawn) await keepPicture(place, view);
}

Bokeh.set_log_level("error");
document.querySelectorAll(".tabs").forEach(makeTabs);
drawPlots().then(() => { document.body.dataset.ready = "true"; });
