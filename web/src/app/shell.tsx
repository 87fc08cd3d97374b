/** The frame around every page: navigation, namespace, who is signed in, and whether the page is live. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useFetch } from "../api/hooks";
import { live } from "../api/live";
import { Button } from "../ui/button";
import { now } from "../ui/clock";
import { Confirmation } from "../ui/confirm";
import { ExitIcon, MenuIcon, MoonIcon, OfflineIcon, SearchIcon, SunIcon, SystemIcon } from "../ui/icons";
import { Toasts } from "../ui/toast";
import { Help, helpOpen } from "./help";
import { useKeys } from "./keyboard";
import { Outlet } from "./outlet";
import { allPages, navigation } from "./pages";
import { openPalette, Palette, paletteOpen } from "./palette";
import { href, location, namespace, navigate, setNamespace } from "./router";
import { session, signOut } from "./session";
import { nextTheme, theme } from "./theme";

const drawer = signal(false);

function focusSearch(): void {
  const field = document.querySelector<HTMLInputElement>("[data-search]");
  if (field) field.select();
  else openPalette();
}

export function Shell() {
  const main = useRef<HTMLElement>(null);
  const { path } = location.value;
  useKeys("Everywhere", [
    { keys: "?", does: "show the keys", run: () => (helpOpen.value = true) },
    { keys: "/", does: "search on this page", run: focusSearch },
    { keys: "ctrl+k", does: "go to anything", run: openPalette },
    { keys: "t", does: "next theme", run: nextTheme },
  ]);
  useKeys(
    "Go to",
    allPages
      .filter((page) => page.keys)
      .map((page) => ({ keys: `g ${page.keys}`, does: page.title, run: () => navigate(href(page.path)) })),
  );
  useEffect(() => {
    drawer.value = false;
    main.current?.scrollTo(0, 0);
  }, [path]);
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the page
      </button>
      <Connection />
      <header class="topbar">
        <Button
          look="quiet"
          icon={MenuIcon}
          label="Open the navigation"
          onClick={() => (drawer.value = true)}
        />
        <Brand />
        <span class="grow" />
        <Button look="quiet" icon={SearchIcon} label="Go to anything" onClick={openPalette} />
      </header>
      {drawer.value && (
        <button
          type="button"
          class="scrim"
          aria-label="Close the navigation"
          onClick={() => (drawer.value = false)}
        />
      )}
      <Side />
      <main class="main" id="main" ref={main} tabIndex={-1}>
        <Outlet />
      </main>
      <Toasts />
      <Confirmation />
      {helpOpen.value && <Help />}
      {paletteOpen.value && <Palette />}
    </div>
  );
}

function Brand() {
  return (
    <a class="brand" href={href("/")}>
      <img src="./icon.svg" alt="" />
      Sympozium
    </a>
  );
}

function Side() {
  return (
    <aside class={`side ${drawer.value ? "open" : ""}`} aria-label="Navigation">
      <Brand />
      <div class="side-tools">
        <NamespacePicker />
        <button type="button" class="button wide-only" onClick={openPalette}>
          <SearchIcon />
          <span class="grow">Go to anything</span>
          <span class="key">Ctrl K</span>
        </button>
      </div>
      <nav aria-label="Pages">
        {navigation.map((group) => {
          const pages = allPages.filter((page) => page.group === group);
          if (!pages.length) return null;
          return (
            <div key={group}>
              <h2>{group}</h2>
              <ul>
                {pages.map((page) => (
                  <li key={page.path}>
                    <NavLink page={page} />
                  </li>
                ))}
              </ul>
            </div>
          );
        })}
      </nav>
      <Foot />
    </aside>
  );
}

function NavLink({ page }: { page: (typeof allPages)[number] }) {
  const { path } = location.value;
  const here = page.path === "/" ? path === "/" : path === page.path || path.startsWith(`${page.path}/`);
  const { icon: Icon, badge: Count } = page;
  // The picked namespace goes along; read here, so that the link follows a change.
  const target = namespace.value ? href(page.path) : href(page.path, { ns: null });
  return (
    <a href={target} {...(here ? { "aria-current": "page" as const } : {})}>
      {Icon && <Icon />}
      {page.title}
      {Count && <Count />}
    </a>
  );
}

interface Namespaces {
  items: { name: string; agents: boolean }[];
  partial: boolean;
}

function NamespacePicker() {
  const { data } = useFetch<Namespaces>("/namespaces");
  const names = new Set((data?.items ?? []).map((one) => one.name));
  if (namespace.value) names.add(namespace.value);
  const agents = new Set((data?.items ?? []).filter((one) => one.agents).map((one) => one.name));
  const sorted = [...names].sort();
  const used = sorted.filter((name) => agents.has(name));
  const others = sorted.filter((name) => !agents.has(name));
  const options = (all: string[]) =>
    all.map((name) => (
      <option key={name} value={name}>
        {name}
      </option>
    ));
  return (
    <select
      class="select"
      aria-label="Namespace"
      value={namespace.value}
      onChange={(event) => setNamespace(event.currentTarget.value)}
    >
      <option value="">All namespaces</option>
      {used.length && others.length ? (
        <>
          <optgroup label="With agents">{options(used)}</optgroup>
          <optgroup label="Others">{options(others)}</optgroup>
        </>
      ) : (
        options(sorted)
      )}
    </select>
  );
}

const THEME_ICONS = { system: SystemIcon, light: SunIcon, dark: MoonIcon };

function Foot() {
  const who = session.value;
  return (
    <div class="side-foot">
      <div class="who clip" title={who?.user?.groups.join(", ")}>
        <span class="clip">{who?.user?.name}</span>
        <small class="clip">{who && `${who.installation} · ${who.version}`}</small>
      </div>
      <Button
        look="quiet"
        icon={THEME_ICONS[theme.value]}
        label={`Theme: ${theme.value}`}
        onClick={nextTheme}
      />
      <Button look="quiet" icon={ExitIcon} label="Sign out" onClick={signOut} />
    </div>
  );
}

/** Said after this long, since a restart that nobody would notice is not worth a banner. */
const SAID_AFTER_MS = 1500;

function Connection() {
  const lost = live.lostAt.value;
  const refused = live.state.value === "refused";
  if (!refused && (lost === null || now.value - lost < SAID_AFTER_MS)) return null;
  return (
    <div class={`banner ${refused ? "bad" : ""}`} role="status">
      <OfflineIcon />
      {refused ? (
        <span>Not live: {live.problem.value?.message}</span>
      ) : (
        <span>Disconnected: what is shown may be old. Trying again…</span>
      )}
      <Button onClick={() => live.retry()}>Try now</Button>
    </div>
  );
}
