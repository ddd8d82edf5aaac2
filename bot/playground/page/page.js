// The page: who looks, at which channel, and what they write there.

import { closeCommand, dropIntoCommand, setUpPicker } from "./commands.js";
import { setUpForms } from "./forms.js";
import { Log } from "./messages.js";

export const byId = (id) => document.getElementById(id);
export const state = { place: null, channel: null, me: new URLSearchParams(location.search).get("as") };

const log = new Log(byId("log"), byId("news"));
const unread = new Set();
let stream = null;

export function word(name, values = {}) {
    return state.place.words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}

export function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
        else if (value === true) made.setAttribute(name, "");
        else if (value !== false && value != null) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child != null));
    return made;
}

export function here() {
    return state.place.channels.find((channel) => channel.id === state.channel);
}

// What somebody does, told to the server; null if it is refused, which then is said at the top.
export async function act(what, said = {}, files = {}) {
    const body = new FormData();
    body.set("said", JSON.stringify({ as: state.me, channel: state.channel, ...said }));
    for (const [name, file] of Object.entries(files)) body.set(name, file, file.name);
    say("");
    try {
        const response = await fetch(`/do/${what}`, { method: "POST", body });
        const answer = await response.json();
        if (response.ok) return answer;
        say(answer.error);
    } catch {
        say(word("ended"));
    }
    return null;
}

export function say(text) {
    byId("state").textContent = text;
}

// ---- what the server tells

function listen() {
    stream?.close();
    stream = new EventSource(`/stream?as=${encodeURIComponent(state.me ?? "")}`);
    stream.onopen = () => log.clear();
    stream.onerror = () => state.place && say(word("ended"));
    stream.onmessage = ({ data }) => hear(JSON.parse(data));
}

function hear(item) {
    if (item.kind === "place") settle(item);
    if (item.kind === "gone") log.remove(item.id);
    if (item.kind === "all") log.settled();
    if (item.kind !== "message") return;
    const known = log.put(item, item.channel === state.channel);
    if (item.channel !== state.channel && !known && !log.first) {
        unread.add(item.channel);
        drawChannels();
    }
}

function settle(place) {
    const words = state.place?.words;
    state.place = place;
    state.me = place.me.name;
    document.documentElement.lang = place.me.locale;
    if (JSON.stringify(words) !== JSON.stringify(place.words)) {
        speak();
        log.clear(); // every message comes again, in the other language
    }
    const people = place.people.map(({ name }) => option(name, name, name === state.me));
    byId("people").replaceChildren(...people, option("", word("new_person"), false));
    const languages = Object.entries(place.languages);
    byId("languages").replaceChildren(...languages.map(([key, name]) => option(key, name, key === place.me.locale)));
    const wanted = state.channel ?? new URLSearchParams(location.search).get("in");
    const known = place.channels.find(({ id }) => id === wanted) ?? place.channels[0];
    go(known.id);
    say(place.bot.there ? "" : word("offline"));
}

function option(value, text, selected) {
    return element("option", { value, selected }, text);
}

function speak() {
    document.title = word("title");
    for (const spoken of document.querySelectorAll("[data-word]")) spoken.textContent = word(spoken.dataset.word);
    const labels = { menu: "menu", log: "messages", text: "write", send: "send", attach: "attach", record: "record" };
    for (const [id, name] of Object.entries({ ...labels, picker: "commands", side: "menu", files: "attach" })) {
        byId(id).setAttribute("aria-label", word(name));
    }
    byId("text").placeholder = word("write");
    byId("differences").replaceChildren(...state.place.words.differences.map((text) => element("li", {}, text)));
}

// ---- where one is

function go(channel) {
    const moved = channel !== state.channel;
    state.channel = channel;
    unread.delete(channel);
    drawChannels();
    if (!moved) return;
    closeCommand();
    history.replaceState(null, "", `?as=${encodeURIComponent(state.me)}&in=${channel}`);
    log.show(channel);
}

const shown = ({ is, name }) => (is === "channel" ? `# ${name}` : is === "direct" ? `@ ${name}` : `↳ ${name}`);

function drawChannels() {
    byId("where").textContent = shown(here());
    const focused = document.activeElement?.dataset?.channel;
    byId("channels").replaceChildren(
        ...state.place.channels.map((channel) => {
            const news = unread.has(channel.id);
            const about = { type: "button", "data-channel": channel.id, class: news ? "unread" : null };
            const current = channel.id === state.channel ? "true" : null;
            const press = () => (closeMenu(), go(channel.id));
            const more = element(
                "small",
                {},
                news ? ` ${word("unread")}` : channel.is === "channel" ? "" : ` ${word(channel.is)}`,
            );
            return element(
                "li",
                {},
                element("button", { ...about, "aria-current": current, onclick: press }, shown(channel), more),
            );
        }),
    );
    if (focused) document.querySelector(`[data-channel="${focused}"]`)?.focus();
}

export function follow(link) {
    // A link to a message of Discord's leads to the one here.
    const found = link.match(/^https:\/\/discord\.com\/channels\/[^/]+\/(\d+)\/(\d+)$/);
    if (!found) return false;
    if (state.place.channels.some(({ id }) => id === found[1])) {
        go(found[1]);
        log.find(found[2]);
    }
    return true;
}

function closeMenu() {
    document.body.classList.remove("open");
    byId("menu").setAttribute("aria-expanded", "false");
}

byId("menu").addEventListener("click", () => {
    byId("menu").setAttribute("aria-expanded", String(document.body.classList.toggle("open")));
});

byId("people").addEventListener("change", async ({ target }) => {
    let name = target.value;
    if (!name) {
        name = prompt(word("new_person_name"))?.trim();
        const made = name && (await act("person", { name }));
        if (!made) return void (target.value = state.me);
        name = made.name;
    }
    state.me = name;
    history.replaceState(null, "", `?as=${encodeURIComponent(name)}`);
    state.channel = here()?.is === "direct" ? null : state.channel;
    listen();
});

byId("languages").addEventListener("change", ({ target }) => act("language", { locale: target.value }));

// ---- writing

let draft = [];

export function takeDraft() {
    const files = draft;
    keep([]);
    return files;
}

function keep(files) {
    draft = files;
    byId("draft").replaceChildren(
        ...files.map((file) => {
            const remove = { type: "button", class: "link", "aria-label": word("remove", { name: file.name }) };
            const onclick = () => keep(draft.filter((other) => other !== file));
            return element("li", {}, file.name, element("button", { ...remove, onclick }, "✕"));
        }),
    );
}

export function attach(files) {
    if (!dropIntoCommand(files[0])) keep([...draft, ...files]);
    byId("text").focus();
}

byId("attach").addEventListener("click", () => byId("files").click());
byId("files").addEventListener("change", ({ target }) => {
    attach([...target.files]);
    target.value = "";
});

byId("write").addEventListener("submit", async (event) => {
    event.preventDefault();
    const content = byId("text").value;
    if (!content.trim() && !draft.length) return;
    byId("text").value = "";
    const files = takeDraft();
    await act("post", { content }, Object.fromEntries(files.map((file, number) => [`file${number}`, file])));
});

let depth = 0; // of elements below the pointer that are being dragged over
for (const [name, by] of [
    ["dragenter", 1],
    ["dragleave", -1],
]) {
    addEventListener(name, (event) => {
        event.preventDefault();
        depth += by;
        byId("drop").hidden = depth <= 0;
    });
}
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    byId("drop").hidden = true;
    if (event.dataTransfer.files.length) attach([...event.dataTransfer.files]);
});

// ---- the microphone

// Calls done with what was recorded, once the button is pressed a second time.
export async function record(button, done) {
    if (button.recorder) return void button.recorder.stop();
    let sound;
    try {
        sound = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
        return void say(word("no_microphone"));
    }
    const parts = [];
    const recorder = (button.recorder = new MediaRecorder(sound));
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
        button.recorder = null;
        button.setAttribute("aria-pressed", "false");
        for (const track of sound.getTracks()) track.stop();
        done(new File(parts, "recording"));
    };
    recorder.start();
    button.setAttribute("aria-pressed", "true");
    say(word("recording"));
}

byId("record").addEventListener("click", ({ currentTarget }) =>
    record(currentTarget, (recording) => act("speak", {}, { recording })),
);

setUpPicker();
setUpForms();
listen();
