/** The YAML tab of a page: reads the object by itself and stays current. */
import { useState } from "preact/hooks";
import type { KubeObject } from "../api/types";
import { useWatched } from "../api/useWatched";
import { Button } from "../ui/button";
import { Code } from "../ui/code";
import { Answer } from "../ui/states";
import { readable, write } from "./document";
import { ObjectEditor } from "./ObjectEditor";
import { type Place, placePath } from "./save";

export function YamlTab({ place, kind }: { place: Place; kind: string }) {
  const object = useWatched<KubeObject>(placePath(place), {}, [place.plural], place.namespace);
  const [whole, setWhole] = useState(false);
  return (
    <Answer of={object}>
      {(found) =>
        whole ? (
          <div class="stack">
            <Code text={write(readable(found))} label={`${kind} with its status`} language="yaml" />
            <div class="row">
              <Button onClick={() => setWhole(false)}>Edit</Button>
            </div>
          </div>
        ) : (
          <ObjectEditor place={place} kind={kind} object={found} onSaved={object.reload}>
            <Button look="quiet" onClick={() => setWhole(true)}>
              Show with status
            </Button>
          </ObjectEditor>
        )
      }
    </Answer>
  );
}
