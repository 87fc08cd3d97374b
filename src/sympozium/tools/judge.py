"""What is decided about a call before anything happens: size -> known? -> schema -> gate. No waiting in it."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from sympozium.policy.gate import Call, gate, offered as may_offer
from sympozium.policy.tools import BUILTIN
from sympozium.policy.verdict import Verdict
from sympozium.tools import digest
from sympozium.tools.arguments import (
    SchemaBrokenError,
    Schemas,
    canonical,
    crooked,
    not_plain,
    too_large,
)
from sympozium.tools.asked import Asked, Came
from sympozium.tools.live import Live, Rules

if TYPE_CHECKING:
    from sympozium.api.runconfig import ToolsConfigFile
    from sympozium.tools.catalogue import Catalogue, Offered

_CALL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAX_MALFORMED = 1000


def came(call: str, tool: str, arguments: dict[str, Any], malformed: str | None = None) -> Came:
    """The call in its one spelling. What cannot be written down canonically is malformed, without its arguments."""
    malformed = malformed[:_MAX_MALFORMED] if malformed else None
    if not _CALL_ID.fullmatch(call):
        # Object names and messages are made of it. The call gets one of ours, so that its refusal is on the record.
        malformed = (
            malformed or f"the id of the call must be of letters, digits, '.', '_' and '-': {call[:80]!r}"
        )
        call = f"t-{secrets.token_hex(6)}"
    if not malformed and (problem := not_plain(tool) or not_plain(arguments)):
        malformed = f"the arguments of the call cannot be judged: {problem}"
    if malformed:
        tool, arguments = tool.encode("utf-8", "replace").decode(), {}
    if tool in BUILTIN:
        arguments = canonical(arguments)
    return Came(call, tool, arguments, digest.what(tool=tool, args=arguments), malformed)


class Judge:
    """Judges calls by the rules that hold at the moment, and by what the run's skills offer at the moment."""

    def __init__(self, config: ToolsConfigFile, catalogue: Catalogue, live: Live) -> None:
        self._config = config
        self._catalogue = catalogue
        self._live = live
        self._schemas = Schemas()

    def judge(self, call: Came, *, stopped: str | None = None) -> Asked:
        """The call with its verdict; `stopped` says why no call begins any more."""
        rules = self._live.rules
        offered = self._catalogue.tools().get(call.tool)
        target = self._catalogue.target(offered, call.arguments) if offered else ""
        verdict = (
            Verdict("deny", "run.cancel", f"no tool runs any more: {stopped}")
            if stopped is not None
            else self._verdict(call, target, offered, rules)
        )
        same = digest.same(
            uid=self._config.run.uid, tool=call.tool, target=target, args=call.arguments, policy=rules.digest
        )
        return Asked(call.id, call.tool, target, call.arguments, call.what, same, verdict, offered, rules)

    def gate(
        self, tool: str, target: str, arguments: dict[str, Any], rules: Rules, *, narrowed: bool = True
    ) -> Verdict:
        """What the policy says alone; `narrowed` by what narrows the model's tools."""
        call = Call(tool, target, arguments, self._config.context)
        return gate(call, rules.policy, rules.tool_policies if narrowed else ())

    def visible(self, offered: Offered) -> bool:
        """Whether the model is told of a tool: some target of it is not denied."""
        rules = self._live.rules
        return may_offer(offered.name, self._catalogue.targets(offered), rules.policy, rules.tool_policies)

    def _verdict(self, call: Came, target: str, offered: Offered | None, rules: Rules) -> Verdict:
        if call.malformed:
            return Verdict("deny", "malformed arguments", call.malformed)
        if reason := too_large(call.tool, call.arguments, self._config.limits.max_argument_bytes):
            return Verdict("deny", "limits.maxArgumentBytes", reason)
        if offered is None:
            return Verdict("deny", "undeclared tool", self._catalogue.unknown(call.tool, self.visible))
        try:
            reason = self._schemas.wrong(call.tool, offered.schema.input_schema, call.arguments)
        except SchemaBrokenError as error:
            reason = str(error)
        if reason or (offered.skill is None and (reason := crooked(call.arguments))):
            return Verdict("deny", "input schema", reason)
        return self.gate(call.tool, target, call.arguments, rules)
