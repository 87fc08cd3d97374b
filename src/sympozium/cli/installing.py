"""The commands that put an installation on a cluster, change it and take it away; see `sympozium.cli.helm`."""

from typing import Annotated

import typer

from sympozium.installation import SYSTEM_NAMESPACE

app = typer.Typer(no_args_is_help=True)

Release = Annotated[str, typer.Option(help="Name of the release, as `helm list` shows it.")]
Into = Annotated[str, typer.Option("-n", "--namespace", help="The system namespace.")]
ValueFiles = Annotated[
    list[str] | None, typer.Option("-f", "--values", help="File with values; may be repeated.")
]
Sets = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the chart; may be repeated.")]
Strings = Annotated[list[str] | None, typer.Option("--set-string", help="The same, as text.")]
Jsons = Annotated[list[str] | None, typer.Option("--set-json", help="KEY=JSON.")]
Contents = Annotated[list[str] | None, typer.Option("--set-file", help="KEY=PATH: the content of a file.")]
Wait = Annotated[bool, typer.Option(help="Until all is ready.")]
Seconds = Annotated[int, typer.Option(help="Seconds for that.", min=1)]


@app.command("install")
def install(
    files: ValueFiles = None,
    sets: Sets = None,
    strings: Strings = None,
    jsons: Jsons = None,
    contents: Contents = None,
    namespace: Into = SYSTEM_NAMESPACE,
    release: Release = "sympozium",
    wait: Wait = True,
    timeout: Seconds = 300,
) -> None:
    """Install the control plane on the cluster of the kubeconfig (as `helm install` would)."""
    from sympozium.cli import helm

    given = helm.Given(files or (), sets or (), strings or (), jsons or (), contents or ())
    print(helm.install(release, namespace, helm.values(given), wait=wait, seconds=timeout))


@app.command("upgrade")
def upgrade(
    files: ValueFiles = None,
    sets: Sets = None,
    strings: Strings = None,
    jsons: Jsons = None,
    contents: Contents = None,
    namespace: Into = SYSTEM_NAMESPACE,
    release: Release = "sympozium",
    wait: Wait = True,
    timeout: Seconds = 300,
    reuse_values: Annotated[
        bool, typer.Option("--reuse-values", help="Put these values on top of the last release's.")
    ] = False,
    rollback_on_failure: Annotated[
        bool, typer.Option("--rollback-on-failure", help="Go back when it does not become ready.")
    ] = False,
) -> None:
    """Bring an installation to this version, or to other values; without any values those of before are kept."""
    from sympozium.cli import helm

    given = helm.Given(files or (), sets or (), strings or (), jsons or (), contents or ())
    said = helm.upgrade(
        release, namespace, helm.values(given), wait=wait, seconds=timeout, reuse=reuse_values,
        rollback=rollback_on_failure,
    )  # fmt: skip
    print(said)


@app.command("uninstall")
def uninstall(
    namespace: Into = SYSTEM_NAMESPACE,
    release: Release = "sympozium",
    timeout: Annotated[int, typer.Option(help="Seconds that runs have to end by themselves.", min=1)] = 120,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge", help="Delete our kinds with all their objects, the keys, and the bus's volumes."
        ),
    ] = False,
) -> None:
    """End all runs, then remove the control plane. CRDs, and so all objects, stay unless --purge."""
    import asyncio

    from sympozium.cli import helm, uninstalling

    helm.require(release, namespace)  # before anything is cancelled
    asyncio.run(uninstalling.before(namespace, timeout, purge=purge))
    if said := helm.uninstall(release, namespace, seconds=timeout + 180):
        print(said)
    asyncio.run(uninstalling.after(namespace, purge=purge))
    print(f"release {release} is uninstalled")


@app.command("manifests")
def manifests(
    files: ValueFiles = None,
    sets: Sets = None,
    strings: Strings = None,
    jsons: Jsons = None,
    contents: Contents = None,
    namespace: Into = SYSTEM_NAMESPACE,
    release: Release = "sympozium",
) -> None:
    """Print everything that `install` would apply, for kubectl and for GitOps; no cluster is asked."""
    from sympozium.cli import helm

    given = helm.Given(files or (), sets or (), strings or (), jsons or (), contents or ())
    print(helm.manifests(release, namespace, helm.values(given)), end="")
