// The messages of a channel. The server draws them; here they are put in order, changed and pressed.

import { showForm } from "./forms.js";
import { act, byId, element, follow, here, state, word } from "./page.js";

const earlier = (one, other) => one.length - other.length || (one < other ? -1 : one > other ? 1 : 0); // of ids

export class Log {
    first = true; // until all that was there before has come

    constructor(list, news) {
        this.list = list;
        this.news = news;
        this.items = new Map();
        list.addEventListener("click", (event) => this.press(event));
        list.addEventListener("change", (event) => this.choose(event));
        list.addEventListener("keydown", (event) => this.move(event));
        list.addEventListener("load", () => this.stay(), true);
        list.addEventListener("scroll", () => (this.low = list.scrollHeight - list.scrollTop - list.clientHeight < 60));
        new ResizeObserver(() => this.stay()).observe(list);
        this.low = true;
    }

    clear() {
        this.first = true;
        this.items.clear();
        this.list.replaceChildren();
    }

    put(item, visible) {
        const known = this.items.get(item.id);
        this.items.set(item.id, item);
        if (visible) this.draw(item, known);
        return known;
    }

    remove(id) {
        this.items.delete(id);
        byId(`m${id}`)?.remove();
    }

    settled() {
        this.first = false;
        this.stay();
    }

    show(channel) {
        this.list.replaceChildren();
        const items = [...this.items.values()].filter((item) => item.channel === channel);
        for (const item of items.sort((one, other) => earlier(one.id, other.id))) this.draw(item);
        this.low = true;
        this.stay();
    }

    stay() {
        if (this.low) this.list.scrollTop = this.list.scrollHeight;
    }

    find(id) {
        const article = byId(`m${id}`);
        article?.scrollIntoView({ block: "center" });
        article?.focus();
    }

    draw(item, known) {
        const fresh = new DOMParser().parseFromString(item.html, "text/html").body.firstElementChild;
        const old = byId(fresh.id);
        const played = old?.querySelectorAll("audio").length ?? 0;
        const menu = old?.querySelector(":scope > .more") ?? this.menu(item);
        if (old) change(old, fresh, menu);
        else this.insert(fresh, item.id);
        (old ?? fresh).append(...(menu ? [menu] : []));
        const arrived = !known || (old ?? fresh).querySelectorAll("audio").length > played;
        if (arrived && !this.first && !item.mine) this.tell(item, old ?? fresh);
        this.stay();
    }

    insert(article, id) {
        const behind = [...this.list.children].find((other) => earlier(other.id.slice(1), id) > 0);
        this.list.insertBefore(article, behind ?? null);
    }

    tell({ author }, article) {
        const said = article.querySelector(".content, .thinking, .embed")?.textContent ?? "";
        this.news.textContent = word("new_message", { name: author, text: said });
    }

    // ---- what is pressed in a message

    async press(event) {
        const link = event.target.closest("a[href]");
        if (link && follow(link.href)) return void event.preventDefault();
        if (link && !link.download) Object.assign(link, { target: "_blank", rel: "noreferrer" });
        const pressed = event.target.closest("[data-do]");
        const article = event.target.closest("article");
        if (!pressed || pressed.dataset.do === "select") return;
        if (pressed.dataset.do === "dismiss") return void this.remove(article.id.slice(1));
        pressed.disabled = true;
        const answer = await act("press", { message: article.id.slice(1), id: pressed.dataset.id });
        pressed.disabled = false;
        if (answer?.form) showForm(answer.form);
    }

    async choose({ target }) {
        if (target.dataset.do !== "select") return;
        const values = [...target.selectedOptions].map(({ value }) => value).filter(Boolean);
        const message = target.closest("article").id.slice(1);
        const answer = await act("select", {
            message,
            id: target.dataset.id,
            type: Number(target.dataset.type),
            values,
        });
        if (answer?.form) showForm(answer.form);
    }

    // Up and down go from message to message.
    move(event) {
        const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        const on = document.activeElement;
        if (!step || (on !== this.list && on.tagName !== "ARTICLE")) return;
        event.preventDefault();
        const articles = [...this.list.children];
        const at = on === this.list ? (step < 0 ? articles.length : -1) : articles.indexOf(on);
        articles[at + step]?.focus();
    }

    // ---- the menu of a message

    menu(item) {
        const own = item.mine ? [[word("delete"), () => act("delete", { message: item.id })]] : [];
        const entries = () => [...(item.menu ? this.commands(item) : []), ...own];
        if (!item.menu && !item.mine) return null;
        const list = element("div", { role: "menu", hidden: true });
        const about = { type: "button", class: "icon", "aria-haspopup": "menu", "aria-expanded": "false" };
        const button = element("button", { ...about, "aria-label": word("message_menu") }, "⋯");
        const box = element("div", { class: "more" }, button, list);
        const open = (is) => {
            list.hidden = !is;
            button.setAttribute("aria-expanded", String(is));
        };
        button.addEventListener("click", () => {
            const choose = (work) => () => (open(false), button.focus(), work());
            const items = entries().map(([name, work]) =>
                element("button", { type: "button", role: "menuitem", onclick: choose(work) }, name),
            );
            list.replaceChildren(...items);
            open(list.hidden);
            list.scrollIntoView({ block: "nearest" });
            items[0]?.focus();
        });
        box.addEventListener("keydown", (event) => {
            const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
            if (event.key === "Escape") (open(false), button.focus());
            if (step) list.children[[...list.children].indexOf(document.activeElement) + step]?.focus();
            if (step) event.preventDefault();
        });
        box.addEventListener("focusout", ({ relatedTarget }) => box.contains(relatedTarget) || open(false));
        return box;
    }

    commands(item) {
        return here()
            .commands.filter(({ type }) => type === 3)
            .map((command) => [
                command.name_localizations?.[state.place.me.locale] ?? command.name,
                async () => {
                    const answer = await act("menu", { message: item.id, name: command.name });
                    if (answer?.form) showForm(answer.form);
                },
            ]);
    }
}

// Makes an article look like another one, and leaves alone what they have in common: what plays goes on playing.
function change(old, fresh, menu) {
    menu?.remove();
    old.className = fresh.className;
    const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
    let front = 0;
    while (front < Math.min(before.length, after.length) && before[front].isEqualNode(after[front])) front++;
    let back = 0;
    const most = Math.min(before.length, after.length) - front;
    while (back < most && before.at(-1 - back).isEqualNode(after.at(-1 - back))) back++;
    const focused = old.contains(document.activeElement) && document.activeElement !== old;
    for (const node of before.slice(front, before.length - back)) node.remove();
    const rest = old.childNodes[front] ?? null;
    for (const node of after.slice(front, after.length - back)) old.insertBefore(node, rest);
    if (focused && !old.contains(document.activeElement)) old.focus({ preventScroll: true });
}
