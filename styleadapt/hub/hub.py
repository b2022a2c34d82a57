"""Publishes a finished run on the Hugging Face Hub (model card, models, adapter, samples) and retries when the connection
fails."""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from ..errors import HubError
from .model_card import RunFacts, build_model_card

T = TypeVar("T")
logger = logging.getLogger(__name__)

# What else a run's folder may hold is the trainer's own: states to resume from, logs, pickles.
IGNORED = [
    "checkpoint-*",
    "tmp-*",
    "logs/*",
    "*.tfevents.*",
    "*.partial",
    "*.pkl",
    "*.pt",
    "*.pth",
    "*.ckpt",
    ".*",
    "*/.*",
]
_LONGEST_WAIT = 60.0
# beside 5xx: time-out, another commit at the same moment, too many requests
_PASSING = (408, 409, 412, 425, 429)
_EXPLANATIONS = {
    400: "the Hub refused what was sent",
    401: "you are not signed in, or the token is not valid; run `hf auth login`, or set HF_TOKEN to a token that may write",
    403: "the token may not write there; make one with the role `write` for this user or organization at "
    "https://huggingface.co/settings/tokens",
    404: "there is no such user, organization, repository or revision, or your token may not see it; check the name",
    413: "a file is too large for the Hub",
}


def push_run_to_hub(
    folder: str | os.PathLike,
    repo_id: str,
    facts: RunFacts | None = None,
    *,
    token: str | None = None,
    private: bool | None = None,
    revision: str | None = None,
    commit_message: str = "Upload styleadapt run",
    retries: int = 5,
    endpoint: str | None = None,
) -> str:
    """Writes the model card into `folder`, makes the repo if it is not there, and uploads it all in one go.

    Call it in the main process alone. Uploading again after a failure sends only what the Hub lacks.

    Args:
        folder: what `save_pretrained` wrote, an adapter file, or both; with sample pictures.
        repo_id: `user/repo`, or `repo` for one of your own.
        facts: for the model card.
        token: with the right to write; the saved one, or HF_TOKEN, if left out. It appears in no log and no message.
        private: of a new repo; the account's default if left out.
        revision: branch to upload to, made if missing; the main branch if left out.
        commit_message: title of the commit.
        retries: how often a failure that may pass (no connection, too many requests, an error of the server) is tried again,
            after 1, 2, 4, ... seconds.
        endpoint: address of another Hub than HF_ENDPOINT or huggingface.co.

    Returns:
        Address of the commit.

    Raises:
        FileNotFoundError: `folder` holds nothing to publish; see `build_model_card`.
        OSError: the model card cannot be written into `folder`; nothing was sent.
        HubError: not signed in, no right, no such user or revision, a name that the Hub does not allow, off line, or still
            failing after the retries.

    Example:
        push_run_to_hub("runs/monet/final", "user/monet", RunFacts(data="Ten paintings by Claude Monet.", images=10))
    """
    from huggingface_hub import HfApi

    folder, facts = Path(folder), facts or RunFacts()
    # before anything is sent: a folder that cannot be published, or written to, must not leave an empty repo behind
    build_model_card(folder, repo_id, facts).save(folder / "README.md")
    api = HfApi(endpoint=endpoint, token=token)

    def attempt(what: str, call: Callable[[], T]) -> T:
        return retried(what, call, retries, token)

    full_id = attempt(f"create {repo_id}", lambda: api.create_repo(repo_id, private=private, exist_ok=True).repo_id)
    if revision is not None:
        attempt(f"create the branch {revision} of {full_id}", lambda: api.create_branch(full_id, branch=revision, exist_ok=True))
    build_model_card(folder, full_id, facts).save(folder / "README.md")
    commit = attempt(
        f"upload {folder} to {full_id}",
        lambda: api.upload_folder(
            repo_id=full_id,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message,
            ignore_patterns=[*IGNORED, *_pickled_bins(folder)],
        ),
    )
    address = str(getattr(commit, "commit_url", commit))
    logger.info("published %s: %s", full_id, address)
    return address


def _pickled_bins(folder: Path) -> list[str]:
    """Paths in a folder of its `.bin` files, except the weights of OpenVINO, whose network is an `.xml` file beside them."""
    bins = [file for file in folder.rglob("*.bin") if not file.with_suffix(".xml").is_file()]
    return [file.relative_to(folder).as_posix() for file in bins]


def retried(what: str, call: Callable[[], T], retries: int, token: str | None) -> T:
    """The result of `call`, tried again while the failure is one that may pass."""
    attempt = 0
    while True:
        try:
            return call()
        # The client raises many types; whichever it is, one line comes out, and the run on disk stands.
        except Exception as error:
            reason, may_pass = _without_token(_reason(error), token), _may_pass(error)
        attempt += 1
        # raised outside of the handler, so that no traceback shows the request and its headers
        if not may_pass or attempt > retries:
            tries = f" in {attempt} attempts" if attempt > 1 else ""
            raise HubError(f"could not {what}{tries}: {reason}")
        wait = min(2.0 ** (attempt - 1), _LONGEST_WAIT)
        logger.warning("could not %s: %s; attempt %d of %d follows in %.0f s", what, reason, attempt + 1, retries + 1, wait)
        time.sleep(wait)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: Exception) -> int | None:
    """Status of the answer that made the client raise, which may be wrapped by the thread that uploads."""
    responses = (getattr(cause, "response", None) for cause in _causes(error))
    return next((response.status_code for response in responses if response is not None), None)


def _may_pass(error: Exception) -> bool:
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled

    status = _status(error)
    if status is not None:
        return status >= 500 or status in _PASSING
    # the last: a proxy's page in place of an answer
    no_answer = (HTTPError, ConnectionError, TimeoutError, json.JSONDecodeError)
    return any(isinstance(c, no_answer) and not isinstance(c, OfflineModeIsEnabled) for c in _causes(error))


def _reason(error: Exception) -> str:
    """What went wrong and what to do, in a line."""
    from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "off line, since HF_HUB_OFFLINE is set; unset it, or upload the folder later"
    status = 401 if isinstance(error, LocalTokenNotFoundError) else _status(error)
    root = list(_causes(error))[-1] if status is None else error
    said = " ".join((getattr(root, "server_message", None) or str(root)).split()) or type(root).__name__
    explanation = _EXPLANATIONS.get(status or 0)
    detail = f"{status}: {said[:200]}" if status else f"{type(root).__name__}: {said[:200]}"
    return f"{explanation} ({detail})" if explanation else detail


def _without_token(text: str, token: str | None) -> str:
    from huggingface_hub import get_token

    for secret in (token, get_token()):
        if secret:
            text = text.replace(secret, "***")
    return re.sub(r"\bhf_\w{8,}", "***", text)
