// Forms that the bot opens, and the fields that they share with commands.

import { act, byId, element, state, word } from "./page.js";

const [TEXT, TEXT_DISPLAY, LABEL, CHECKBOXES, CHECKBOX] = [4, 10, 18, 22, 23];
const PEOPLE = [5, 7]; // selects of people and of mentionables
const CHANNELS = 8;
let fields = 0;

// A control with its label and, below, what there is to say about it.
export function labelled(control, name, about, ...more) {
    control.id ||= `field${++fields}`;
    const hint = about && element("small", { id: `${control.id}-hint`, class: "muted" }, about);
    if (hint) control.setAttribute("aria-describedby", hint.id);
    const must = control.required ? element("span", { class: "muted" }, ` (${word("required")})`) : null;
    return element(
        "div",
        { class: "field" },
        element("label", { for: control.id }, name, must),
        control,
        ...more,
        hint,
    );
}

export function select(options, attributes = {}, empty = null) {
    const all = [...(empty === null ? [] : [["", empty]]), ...options];
    const made = all.map(([value, name, selected]) => element("option", { value, selected }, name));
    return element("select", attributes, ...made);
}

export const people = () => state.place.people.map(({ id, name }) => [id, `@${name}`]);
export const channels = (types) =>
    state.place.channels
        .filter(({ is, type }) => is !== "direct" && (!types || types.includes(type)))
        .map(({ id, name }) => [id, `#${name}`]);

export function setUpForms() {
    byId("form").addEventListener("click", ({ target }) => target === byId("form") && byId("form").close());
}

export function showForm(form) {
    const controls = [];
    const rows = form.rows.map((row) => drawRow(row, controls));
    const buttons = element(
        "div",
        { class: "row" },
        element("button", { class: "primary" }, word("submit")),
        element("button", { type: "button", class: "secondary", onclick: () => byId("form").close() }, word("cancel")),
    );
    const made = element("form", {}, element("h2", { id: "form-title" }, form.title), ...rows, buttons);
    made.addEventListener("submit", async (event) => {
        event.preventDefault();
        const values = Object.fromEntries(
            controls.map(({ part, control }) => [part.custom_id, valueOf(part, control)]),
        );
        const answer = await act("submit", { form: form.id, values });
        if (!answer) return;
        byId("form").close();
        if (answer.form) showForm(answer.form);
    });
    byId("form").replaceChildren(made);
    byId("form").showModal();
}

function drawRow(row, controls) {
    if (row.type === TEXT_DISPLAY) return element("p", {}, row.content);
    const part = row.type === LABEL ? row.component : row.components[0];
    const control = drawControl(part);
    controls.push({ part, control });
    return labelled(control, row.label ?? part.label, row.description);
}

function drawControl(part) {
    const required = part.required ?? part.type !== CHECKBOX;
    if (part.type === TEXT) {
        const about = {
            required,
            placeholder: part.placeholder,
            minlength: part.min_length,
            maxlength: part.max_length ?? 4000,
        };
        const control = element(part.style === 2 ? "textarea" : "input", about);
        control.value = part.value ?? "";
        return control;
    }
    if (part.type === CHECKBOX) return element("input", { type: "checkbox", checked: part.default });
    const options = PEOPLE.includes(part.type) ? people() : part.type === CHANNELS ? channels() : (part.options ?? []);
    const rows = options.map((one) => (Array.isArray(one) ? one : [one.value, one.label, one.default]));
    const multiple = part.type === CHECKBOXES || (part.max_values ?? 1) > 1;
    return select(rows, { required, multiple }, multiple ? null : (part.placeholder ?? word("unset")));
}

function valueOf(part, control) {
    if (part.type === TEXT) return control.value;
    if (part.type === CHECKBOX) return control.checked;
    const values = [...control.selectedOptions].map(({ value }) => value).filter(Boolean);
    return { type: part.type, values };
}
