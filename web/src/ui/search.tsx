/** The search box at the head of a page that filters what it has; `/` goes to it. */
import { SearchIcon } from "./icons";

interface SearchBoxProps {
  /** Also its name, for who hears it. */
  label: string;
  placeholder?: string;
  value: string;
  onValue: (text: string) => void;
}

export function SearchBox({ label, placeholder = label, value, onValue }: SearchBoxProps) {
  return (
    <div class="actions search">
      <SearchIcon />
      <input
        class="input"
        type="search"
        data-search
        aria-label={label}
        placeholder={placeholder}
        value={value}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
    </div>
  );
}
