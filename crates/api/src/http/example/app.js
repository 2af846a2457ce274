// A SMART App Launch 2.2 app in one file: standalone launch with PKCE, then a patient's readings as a trend. It is given one address
// (the FHIR base) and finds everything else by the discovery document, like any app of others.
"use strict";

const CLIENT = "concord-example";
const SCOPE = "openid fhirUser launch/patient patient/Patient.r patient/Observation.rs";
const SEARCH = "Observation?_sort=-date&_count=200&_elements=code,effective,value,component,status";
const BASE = new URL("/fhir", location.href).href;
const HERE = new URL("/example/", location.href).href;
const MOST = 2000;

const show = (id) => {
    for (const one of ["start", "working", "trouble", "readings"]) {
        document.getElementById(one).hidden = one !== id;
    }
};
const working = (text) => {
    document.getElementById("working").textContent = text;
    show("working");
};

const base64url = (bytes) =>
    btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function json(address, options) {
    const answer = await fetch(address, options);
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) {
        const told = body.error_description || body.issue?.map((one) => one.diagnostics).join("; ");
        throw new Error(told || `${address} answers ${answer.status}`);
    }
    return body;
}

// The first half of the launch: to the authorization endpoint, with what the second half is checked by.
async function connect() {
    working("Looking for where to sign in");
    const found = await json(`${BASE}/.well-known/smart-configuration`);
    const [state, verifier] = [random(), random()];
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    sessionStorage.setItem("launch", JSON.stringify({ state, verifier, issuer: found.issuer, token: found.token_endpoint }));
    const ask = new URL(found.authorization_endpoint);
    ask.search = new URLSearchParams({
        response_type: "code",
        client_id: CLIENT,
        redirect_uri: HERE,
        scope: SCOPE,
        aud: BASE,
        state,
        code_challenge: base64url(new Uint8Array(hash)),
        code_challenge_method: "S256",
    });
    location.assign(ask);
}

// The second half: the code becomes a token, which is kept in memory and nowhere else.
async function cameBack(answer) {
    const launch = JSON.parse(sessionStorage.getItem("launch") || "null");
    sessionStorage.removeItem("launch");
    history.replaceState(null, "", HERE);
    if (!launch || answer.get("state") !== launch.state || (answer.has("iss") && answer.get("iss") !== launch.issuer)) {
        throw new Error("This is not the answer to anything that this window has asked.");
    }
    if (answer.has("error")) {
        throw new Error(answer.get("error_description") || answer.get("error"));
    }
    working("Getting the readings");
    const token = await json(launch.token, {
        method: "POST",
        body: new URLSearchParams({
            grant_type: "authorization_code",
            client_id: CLIENT,
            redirect_uri: HERE,
            code_verifier: launch.verifier,
            code: answer.get("code"),
        }),
    });
    if (!token.patient) {
        throw new Error("You have let the app in, but not into a patient's record. Begin again as a patient.");
    }
    const headers = { Authorization: `Bearer ${token.access_token}`, Accept: "application/fhir+json" };
    const name = await json(`${BASE}/Patient/${token.patient}`, { headers }).then(named, () => "");
    const found = [];
    let next = `${BASE}/${SEARCH}&patient=${encodeURIComponent(token.patient)}`;
    while (next && found.length < MOST) {
        const page = await json(next, { headers });
        found.push(...(page.entry || []).map((one) => one.resource).filter((one) => one.resourceType === "Observation"));
        next = page.link?.find((one) => one.relation === "next")?.url;
    }
    return { name, kinds: kinds(found) };
}

function named(patient) {
    const name = patient.name?.[0];
    return name?.text || [...(name?.given || []), name?.family].filter(Boolean).join(" ");
}

const label = (concept) => concept?.text || concept?.coding?.find((one) => one.display)?.display || concept?.coding?.[0]?.code || "";

// What something is, however whoever wrote it calls it: by its LOINC code, where it has one.
function meaning(concept) {
    const coding = concept?.coding?.find((one) => one.system?.endsWith("://loinc.org")) || concept?.coding?.[0];
    return coding?.code ? `${coding.system}|${coding.code}` : label(concept);
}

// Observations with numbers, by what they are: a column for the value, or one for each component.
function kinds(observations) {
    const all = new Map();
    for (const one of observations) {
        const parts = [one, ...(one.component || [])].filter((part) => typeof part.valueQuantity?.value === "number");
        const at = Date.parse(one.effectiveDateTime || one.effectivePeriod?.start || one.effectiveInstant);
        if (!parts.length || Number.isNaN(at) || one.status === "entered-in-error") {
            continue;
        }
        const kind = all.get(meaning(one.code)) || { title: label(one.code), meanings: [], columns: [], unit: "", rows: [] };
        all.set(meaning(one.code), kind);
        const row = { at, values: [] };
        for (const part of parts) {
            const known = kind.meanings.indexOf(meaning(part.code));
            const column = known < 0 ? kind.meanings.push(meaning(part.code)) - 1 : known;
            // Some say in words what it is, and some in a code alone.
            if (label(part.code).length > (kind.columns[column] || "").length) {
                kind.columns[column] = label(part.code);
            }
            kind.unit = kind.unit || part.valueQuantity.unit || part.valueQuantity.code || "";
            row.values[column] = part.valueQuantity.value;
        }
        kind.rows.push(row);
    }
    const sorted = [...all.values()];
    sorted.forEach((kind) => kind.rows.sort((one, other) => one.at - other.at));
    return sorted.sort((one, other) => other.columns.length - one.columns.length || other.rows.length - one.rows.length);
}

// Where things are in a drawing of that width and 320 high: a line for each column, some lines of the scale, and the ends of time.
function drawing(kind, width = 640) {
    const [left, right, top, bottom] = [56, width - 16, 20, 280];
    const values = kind.rows.flatMap((row) => row.values).filter((value) => value !== undefined);
    const step = scale(Math.max(...values) - Math.min(...values) || Math.abs(values[0]) || 1);
    const low = Math.floor(Math.min(...values) / step) * step;
    const high = Math.max(Math.ceil(Math.max(...values) / step) * step, low + step);
    const [from, to] = [kind.rows[0].at, kind.rows[kind.rows.length - 1].at];
    const x = (at) => (to === from ? (left + right) / 2 : left + ((at - from) / (to - from)) * (right - left));
    const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
    const lines = kind.columns.map((_, column) =>
        kind.rows.filter((row) => row.values[column] !== undefined).map((row) => [x(row.at), y(row.values[column])]),
    );
    const marks = [];
    for (let value = low; value <= high + step / 2; value += step) {
        marks.push({ y: y(value), text: String(Number(value.toFixed(6))) });
    }
    return { left, right, bottom, lines, marks, from, to };
}

// A round step, so that a span has three to six of them.
function scale(span) {
    const power = 10 ** Math.floor(Math.log10(span / 3));
    return [1, 2, 5, 10].map((one) => one * power).find((one) => span / one <= 5) || 10 * power;
}

const day = (at) => new Date(at).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });

function element(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    if (text !== undefined) {
        made.textContent = text;
    }
    return made;
}

function draw(kind) {
    const trend = document.getElementById("trend");
    const width = Math.max(trend.getBoundingClientRect().width, 240);
    trend.setAttribute("viewBox", `0 0 ${width} 320`);
    const { left, right, bottom, lines, marks, from, to } = drawing(kind, width);
    const parts = marks.flatMap((mark) => [
        element("line", { x1: left, x2: right, y1: mark.y, y2: mark.y }),
        element("text", { x: left - 8, y: mark.y + 6, "text-anchor": "end" }, mark.text),
    ]);
    parts.push(element("text", { x: left, y: bottom + 28 }, day(from)));
    if (to !== from) {
        parts.push(element("text", { x: right, y: bottom + 28, "text-anchor": "end" }, day(to)));
    }
    lines.forEach((line, column) => {
        parts.push(element("polyline", { class: `s${column % 3}`, points: line.map((point) => point.join(",")).join(" ") }));
        line.forEach(([cx, cy]) => parts.push(element("circle", { class: `s${column % 3}`, cx, cy, r: 3 })));
    });
    trend.replaceChildren(...parts);
    const unit = kind.unit ? `, in ${kind.unit}` : "";
    document.getElementById("caption").textContent =
        `${kind.title}${unit}: ${kind.rows.length} from ${day(from)} to ${day(to)}`;
    document.getElementById("legend").replaceChildren(
        ...kind.columns.map((name, column) => {
            const [span, key] = [document.createElement("span"), element("svg", { viewBox: "0 0 40 12", "aria-hidden": "true" })];
            key.append(element("polyline", { class: `s${column % 3}`, points: "0,6 40,6" }));
            span.append(key, name);
            return span;
        }),
    );
    table(kind);
}

function table(kind) {
    const row = (cells, tag) => {
        const made = document.createElement("tr");
        cells.forEach((text, column) => {
            const cell = document.createElement(tag || (column ? "td" : "th"));
            if (tag || !column) {
                cell.scope = tag ? "col" : "row";
            }
            cell.className = column ? "number" : "";
            cell.textContent = text;
            made.append(cell);
        });
        return made;
    };
    const [head, body] = [document.createElement("thead"), document.createElement("tbody")];
    head.append(row(["Day", ...kind.columns], "th"));
    [...kind.rows].reverse().forEach((one) => {
        body.append(row([day(one.at), ...kind.columns.map((_, column) => one.values[column] ?? "")]));
    });
    document.getElementById("table").replaceChildren(head, body);
}

function present({ name, kinds: all }) {
    document.getElementById("whose").textContent = name ? `Readings of ${name}` : "Your readings";
    if (!all.length) {
        throw new Error("The record shows this app no readings: nobody has taken any, or you have not let the app see them.");
    }
    const choice = document.getElementById("kind");
    choice.replaceChildren(...all.map((kind, place) => new Option(kind.title, place)));
    choice.addEventListener("change", () => draw(all[choice.value]));
    window.addEventListener("resize", () => draw(all[choice.value]));
    show("readings");
    draw(all[0]);
}

function failed(error) {
    document.getElementById("why").textContent = error.message;
    show("trouble");
}

document.getElementById("connect").addEventListener("click", () => connect().catch(failed));
const answer = new URLSearchParams(location.search);
if (answer.has("code") || answer.has("error")) {
    cameBack(answer).then(present).catch(failed);
} else {
    show("start");
}
