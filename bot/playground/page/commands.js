// Slash commands: the list that opens with "/", and the options of the one that was chosen.

import { channels, labelled, people, select, showForm } from "./forms.js";
import { act, byId, element, here, record, state, takeDraft, word } from "./page.js";

const CHAT_INPUT = 1; // beside the entries of menus
const [SUBCOMMAND, GROUP] = [1, 2];
const [INTEGER, BOOLEAN, USER, CHANNEL, MENTIONABLE, NUMBER, ATTACHMENT] = [4, 5, 6, 7, 9, 10, 11];
const SUGGEST_MS = 150; // after the last key

const local = (item, what) => item[`${what}_localizations`]?.[state.place.me.locale] ?? item[what];

// Every command that can be sent, with the way to it: /settings temperature pitch.
function leaves(item, names = [], shown = []) {
    const path = [...names, item.name];
    const spoken = [...shown, local(item, "name")];
    const inner = (item.options ?? []).filter(({ type }) => type === SUBCOMMAND || type === GROUP);
    if (inner.length) return inner.flatMap((child) => leaves(child, path, spoken));
    const [line, typed] = [path, spoken].map((words) => `/${words.join(" ")}`);
    return [{ line, shown: typed, about: local(item, "description"), options: item.options ?? [] }];
}

// ---- the list

let found = [];
let at = 0;

export function setUpPicker() {
    byId("text").addEventListener("input", offer);
    byId("text").addEventListener("blur", () => offer(null));
    byId("text").addEventListener("focus", offer);
    byId("text").addEventListener("keydown", (event) => {
        if (!found.length) return;
        const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (step) point((at + step + found.length) % found.length);
        else if (event.key === "Enter" || event.key === "Tab") choose(found[at]);
        else if (event.key === "Escape") offer(null);
        else return;
        event.preventDefault();
    });
}

const all = () =>
    here()
        .commands.filter(({ type }) => type === CHAT_INPUT)
        .flatMap((command) => leaves(command));

// Shows what fits what is typed; nothing without an event.
function offer(event) {
    const typed = byId("text").value.toLowerCase();
    const fits = ({ line, shown }) => line.startsWith(typed) || shown.toLowerCase().startsWith(typed);
    found = event && typed.startsWith("/") ? all().filter(fits) : [];
    byId("picker").hidden = !found.length;
    byId("text").setAttribute("aria-expanded", String(found.length > 0));
    const press = (command) => (down) => (down.preventDefault(), choose(command));
    byId("picker").replaceChildren(
        ...found.map((command, number) =>
            element(
                "li",
                { id: `offer${number}`, role: "option", onmousedown: press(command) },
                element("strong", {}, command.shown),
                ` ${command.about}`,
            ),
        ),
    );
    if (found.length) point(0);
    else byId("text").removeAttribute("aria-activedescendant");
}

function point(number) {
    at = number;
    [...byId("picker").children].forEach((item, other) => item.setAttribute("aria-selected", String(other === at)));
    byId("text").setAttribute("aria-activedescendant", `offer${at}`);
    byId("picker").children[at].scrollIntoView({ block: "nearest" });
}

function choose(command) {
    byId("text").value = "";
    offer(null);
    if (command.options.length) openCommand(command);
    else send(command, {});
}

// ---- its options

let parts = [];

export function closeCommand() {
    byId("command").hidden = true;
    byId("command").replaceChildren();
    parts = [];
}

function openCommand(command) {
    parts = command.options.map((option) => ({ option, control: control(option, command) }));
    const drawn = parts.map(({ option, control }) => {
        const more = option.type === ATTACHMENT ? recordButton(control) : control.suggestions;
        const row = labelled(control, local(option, "name"), local(option, "description"), more);
        return { must: option.required, row };
    });
    const rest = drawn.filter(({ must }) => !must).map(({ row }) => row);
    const form = byId("command");
    form.replaceChildren(
        element("h2", {}, command.shown),
        ...drawn.filter(({ must }) => must).map(({ row }) => row),
        ...optional(rest),
        element(
            "div",
            { class: "row" },
            element("button", { class: "primary" }, word("run")),
            element("button", { type: "button", class: "secondary", onclick: leave }, word("cancel")),
        ),
    );
    form.onsubmit = (event) => {
        event.preventDefault();
        submit(command);
    };
    form.onkeydown = ({ key }) => {
        if (key === "Escape") leave();
    };
    form.hidden = false;
    const [draft] = takeDraft();
    const filled = draft && dropIntoCommand(draft);
    form.querySelector(filled ? ".primary" : "input, select").focus();
}

function optional(rows) {
    if (!rows.length) return [];
    const summary = element("summary", {}, word("more", { count: rows.length }));
    return [element("details", { open: rows.length < 4 }, summary, element("div", { class: "options" }, ...rows))];
}

function leave() {
    closeCommand();
    byId("text").focus();
}

// A file for the open command's attachment; false if it takes none.
export function dropIntoCommand(file) {
    const part = parts.find(({ option }) => option.type === ATTACHMENT);
    if (!part) return false;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    part.control.files = transfer.files;
    return true;
}

function control(option, command) {
    const { required } = option;
    const empty = word("unset");
    if (option.choices)
        return select(
            option.choices.map((one) => [one.value, local(one, "name")]),
            { required },
            empty,
        );
    if (option.type === BOOLEAN)
        return select(
            [
                ["true", word("yes")],
                ["false", word("no")],
            ],
            { required },
            empty,
        );
    if (option.type === USER || option.type === MENTIONABLE) return select(people(), { required }, empty);
    if (option.type === CHANNEL) return select(channels(option.channel_types), { required }, empty);
    if (option.type === ATTACHMENT) return element("input", { type: "file", required });
    if (option.autocomplete) return suggesting(option, command);
    const bounds = { min: option.min_value, max: option.max_value, step: option.type === INTEGER ? 1 : "any" };
    if (option.type === INTEGER || option.type === NUMBER)
        return element("input", { type: "number", required, ...bounds });
    return element("input", { required, minlength: option.min_length, maxlength: option.max_length });
}

// A field under which the bot makes suggestions as one types.
function suggesting(option, command) {
    const list = element("datalist", { id: `suggestions-${option.name}` });
    const input = element("input", { required: option.required, list: list.id, autocomplete: "off" });
    let timer = 0;
    const ask = async () => {
        const options = { ...given().options };
        delete options[option.name];
        const answer = await act("suggest", { line: command.line, option: option.name, typed: input.value, options });
        input.choices = answer?.choices ?? [];
        list.replaceChildren(...input.choices.map(({ name }) => element("option", { value: name })));
    };
    const soon = () => (clearTimeout(timer), (timer = setTimeout(ask, SUGGEST_MS)));
    input.addEventListener("input", soon);
    input.addEventListener("focus", soon);
    return Object.assign(input, { suggestions: list, choices: [] });
}

function recordButton(input) {
    const done = async (recording) => {
        const heard = await act("recording", {}, { recording });
        if (!heard) return;
        const data = await (await fetch(new URL(heard.url).pathname + new URL(heard.url).search)).blob();
        dropIntoCommand(new File([data], heard.name, { type: "audio/ogg" }));
    };
    const onclick = ({ currentTarget }) => record(currentTarget, done);
    return element("button", { type: "button", class: "secondary", "aria-pressed": "false", onclick }, word("record"));
}

function given() {
    const [options, files] = [{}, {}];
    for (const { option, control } of parts) {
        if (option.type === ATTACHMENT) {
            if (control.files[0]) files[option.name] = control.files[0];
        } else if (control.value !== "") {
            const meant = control.choices?.find(({ name }) => name === control.value)?.value ?? control.value;
            options[option.name] = { type: option.type, value: meant };
        }
    }
    return { options, files };
}

async function submit(command) {
    const { options, files } = given();
    const sent = parts;
    // By the time of the answer another command may be open.
    if ((await send(command, options, files)) && parts === sent) leave();
}

async function send(command, options, files = {}) {
    const answer = await act("command", { line: command.line, options }, files);
    if (answer?.form) showForm(answer.form);
    return answer;
}
