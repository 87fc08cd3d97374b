/** Icons of our own, drawn on a grid of 16 with one line width, so that they look like one set. Decoration: always beside a text or in a labelled button. */
import type { ComponentChildren, FunctionComponent } from "preact";

export interface IconProps {
  size?: number;
  class?: string;
}

function icon(children: ComponentChildren): FunctionComponent<IconProps> {
  return ({ size = 16, class: name }) => (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      class={name}
    >
      {children}
    </svg>
  );
}

export const OverviewIcon = icon(
  <path d="M2.5 2.5h4.5v5h-4.5zM9 2.5h4.5v3H9zM9 7.5h4.5v6H9zM2.5 9.5H7v4H2.5z" />,
);
export const RunsIcon = icon(
  <path d="M5.5 4h8M5.5 8h8M5.5 12h8M2.5 3l1.3 1-1.3 1M2.5 7l1.3 1-1.3 1M2.5 11l1.3 1-1.3 1" />,
);
export const ApprovalIcon = icon(
  <path d="M8 1.8l5 1.9v4.1c0 3-2.1 5.3-5 6.4-2.9-1.1-5-3.4-5-6.4V3.7zM5.7 8l1.7 1.7 3-3.3" />,
);
export const PackIcon = icon(<path d="M2.5 5L8 2.2 13.5 5v6L8 13.8 2.5 11zM2.5 5L8 7.8 13.5 5M8 7.8v6" />);
export const AgentIcon = icon(
  <>
    <rect x="3" y="5" width="10" height="8" rx="2" />
    <path d="M8 2.2V5M6 8.5v1M10 8.5v1M1.5 8v2.5M14.5 8v2.5" />
  </>,
);
export const ScheduleIcon = icon(
  <>
    <circle cx="8" cy="8" r="5.8" />
    <path d="M8 4.8V8l2.3 1.5" />
  </>,
);
export const SkillIcon = icon(
  <path d="M10.3 2.3a3.3 3.3 0 0 0-3.9 4.5L2.3 10.9a1.7 1.7 0 0 0 2.5 2.5l4.1-4.1a3.3 3.3 0 0 0 4.5-3.9L11.4 7.2 8.9 6.9 8.6 4.3z" />,
);
export const PolicyIcon = icon(<path d="M8 2v12M4.5 14h7M3 4.5h10M3 4.5L1.3 9h3.4zM13 4.5L11.3 9h3.4z" />);
export const TriggerIcon = icon(<path d="M9 1.8L3.5 9H8l-1 5.2L12.5 7H8z" />);
export const MemoryIcon = icon(
  <>
    <ellipse cx="8" cy="4" rx="5" ry="2" />
    <path d="M3 4v8c0 1.1 2.2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.2 2 5 2s5-.9 5-2" />
  </>,
);
export const UsageIcon = icon(<path d="M2.5 13.5h11M4.5 11V8M8 11V3.5M11.5 11V6" />);
export const SettingsIcon = icon(<path d="M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3" />);
export const SearchIcon = icon(
  <>
    <circle cx="7" cy="7" r="4.3" />
    <path d="M10.3 10.3l3.2 3.2" />
  </>,
);
export const CheckIcon = icon(<path d="M3.2 8.5l3.2 3.2 6.4-7" />);
export const CloseIcon = icon(<path d="M4 4l8 8M12 4l-8 8" />);
export const AlertIcon = icon(<path d="M8 2.5l6 10.7H2zM8 6.5v3M8 11.4v.1" />);
export const InfoIcon = icon(
  <>
    <circle cx="8" cy="8" r="5.8" />
    <path d="M8 7.4v3.2M8 5.2v.1" />
  </>,
);
export const BusyIcon = icon(<path d="M8 2.2a5.8 5.8 0 1 0 5.8 5.8" />);
export const PauseIcon = icon(<path d="M5.5 3.5v9M10.5 3.5v9" />);
export const PlayIcon = icon(<path d="M5 3l7.5 5L5 13z" />);
export const StopIcon = icon(<rect x="4" y="4" width="8" height="8" rx="1" />);
export const RetryIcon = icon(<path d="M13 8a5 5 0 1 1-1.5-3.6M13 2.3v2.9h-2.9" />);
export const ForkIcon = icon(
  <>
    <circle cx="4.5" cy="3.7" r="1.5" />
    <circle cx="11.5" cy="3.7" r="1.5" />
    <circle cx="4.5" cy="12.3" r="1.5" />
    <path d="M4.5 5.2v5.6M11.5 5.2v1c0 2-3 2.3-7 2.3" />
  </>,
);
export const QueueIcon = icon(
  <path d="M4 2.5h8M4 13.5h8M5 2.5c0 3.5 6 3.5 6 5.5s-6 2-6 5.5M11 2.5c0 3.5-6 3.5-6 5.5s6 2 6 5.5" />,
);
export const BanIcon = icon(
  <>
    <circle cx="8" cy="8" r="5.8" />
    <path d="M4 4l8 8" />
  </>,
);
export const CopyIcon = icon(
  <>
    <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
    <path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2" />
  </>,
);
export const ChevronIcon = icon(<path d="M6 3.5L10.5 8 6 12.5" />);
export const DownIcon = icon(<path d="M3.5 6L8 10.5 12.5 6" />);
export const MenuIcon = icon(<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />);
export const SunIcon = icon(
  <>
    <circle cx="8" cy="8" r="2.8" />
    <path d="M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9" />
  </>,
);
export const MoonIcon = icon(<path d="M13.3 9.8A5.8 5.8 0 0 1 6.2 2.7a5.8 5.8 0 1 0 7.1 7.1z" />);
export const SystemIcon = icon(<path d="M2 3h12v8H2zM6 14h4M8 11v3" />);
export const ExitIcon = icon(
  <path d="M6.5 2.5h-3a1 1 0 0 0-1 1v9a1 1 0 0 0 1 1h3M10.5 5l3 3-3 3M13.5 8h-7" />,
);
export const PlusIcon = icon(<path d="M8 3v10M3 8h10" />);
export const ToolIcon = icon(<path d="M2.5 4.5l3 3-3 3M7.5 11.5h6" />);
export const DownloadIcon = icon(<path d="M8 2.5v7.5M4.8 7L8 10.2 11.2 7M2.8 13.5h10.4" />);
export const OfflineIcon = icon(
  <path d="M2 2l12 12M2.2 6.2a8.6 8.6 0 0 1 2.6-1.7M8 3.8c2.2 0 4.3.9 5.8 2.4M4.6 9a4.8 4.8 0 0 1 3-1.4M8 12.5v.1" />,
);
export const TreeIcon = icon(<path d="M3 2.5v9.5a1 1 0 0 0 1 1h3M3 7h4M7 5.2h6.5v3.6H7zM7 11.2h6.5v3H7z" />);
