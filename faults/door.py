"""`plumbline faults` and `python -m faults`: the fault server, started by one command."""

import click

COULD_NOT_RUN = 2


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8099, show_default=True, help="0 takes a free one.")
@click.option("--latency-seconds", type=click.FloatRange(min=0), help="How long a reply takes.")
@click.option(
    "--faults", "given", metavar="FILE|PRESET", help="A YAML file of settings, or a preset such as bad-night."
)
@click.option("--while-stdin-is-open", is_flag=True, hidden=True, help="End with the process that holds the other end.")
@click.pass_context
def faults(
    context: click.Context, *, port: int, latency_seconds: float | None, given: str | None, while_stdin_is_open: bool
) -> None:
    """A model endpoint on this machine that answers, fails and changes on command; docs/faults.md says how."""
    from faults.serving import serve
    from faults.settings import SettingsError, parse_settings, read_settings

    try:
        settings = read_settings(given) if given else parse_settings({})
        if latency_seconds is not None:
            settings = parse_settings({**settings.model_dump(), "latency_seconds": latency_seconds})
    except SettingsError as problem:
        click.echo(f"SettingsError: {problem}", err=True)
        context.exit(COULD_NOT_RUN)
    try:
        serve(settings, port, ready=_say, while_stdin_is_open=while_stdin_is_open)
    except OSError as problem:
        words = f"port {port} on 127.0.0.1: {problem.strerror}. Stop what holds it, or give --port 0 for a free one."
        click.echo(f"StateError: {words}", err=True)
        context.exit(COULD_NOT_RUN)


def _say(url: str) -> None:
    click.echo(f"The fault server speaks the OpenAI API at {url}/v1 until Ctrl-C.")
    click.echo(f"Use it:   export OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY=any")
    click.echo(f'Switch:   curl -X PUT {url}/control -d \'{{"faults": "bad-night"}}\'')
