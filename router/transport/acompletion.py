"""The wide door: `litellm.acompletion`, which works for every vendor that LiteLLM supports."""

from __future__ import annotations

from typing import Any

from router.catalog.vendors import of_prefix, prefix_of
from router.transport.base import Call
from router.transport.direct import USAGE
from router.transport.environment import blind
from router.transport.litellm_import import Refused, load
from router.transport.openai_shape import answer_of
from router.transport.opened import EventReply
from router.transport.parameters import parameters_of, secret_of
from router.transport.session import OnSent, Session
from router.transport.shared_session import Loan, lending
from router.transport.translated import TranslatedReply, WholeReply, is_ours, speaks_openai
from router.transport.wire_errors import is_refusal, reply_of
from router.types import Answer, Reply


class WideDoor:
    """Calls `litellm.acompletion` without its retries, and keeps the raw reply behind its result or error."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def send(self, call: Call, on_sent: OnSent) -> tuple[Reply, Answer | None]:
        """Send once; returns the raw reply, and LiteLLM's parsed answer if there is one. Raises Refused."""
        litellm, arguments = self._prepared(call)
        loan = Loan(self._session, call.provider.headers, on_sent)
        with lending(loan), blind():
            try:
                response = await litellm.acompletion(**arguments)
            except Exception as error:  # noqa: BLE001 - LiteLLM raises what it likes; all of it means something
                return _failed(loan.reply, error), None
        return _asked(loan), _answer(response)

    async def stream(self, call: Call, on_sent: OnSent) -> EventReply | TranslatedReply | WholeReply:
        """Send once, asking for a stream; returns when the reply's head is there, raises Refused."""
        litellm, arguments = self._prepared(call)
        loan = Loan(self._session, call.provider.headers, on_sent, streams=True)
        try:
            with lending(loan), blind():
                wrapper = await litellm.acompletion(**arguments, stream=True, **USAGE)
                await wrapper.fetch_stream()  # some of LiteLLM's handlers send only now
            return await _told_apart(loan, wrapper)
        except Exception as error:  # noqa: BLE001 - LiteLLM raises what it likes; all of it means something
            came_whole = loan.reply if loan.opened is None else None
            await loan.close()
            return WholeReply(_failed(came_whole, error))
        except BaseException:
            await loan.close()
            raise

    def _prepared(self, call: Call) -> tuple[Any, dict[str, Any]]:
        prefix = prefix_of(call.model)
        if (vendor := of_prefix(prefix)) and vendor.instead:
            raise Refused(ValueError(f"router does not support the prefix {prefix}/: write {vendor.instead}/ instead"))
        litellm = load()
        return litellm, self._arguments(litellm, call)

    @staticmethod
    def _arguments(litellm: Any, call: Call) -> dict[str, Any]:
        prefix = prefix_of(call.model)
        params = parameters_of(call)
        secret = secret_of(call)
        arguments = {
            **params,
            **({} if secret is None else {"api_key": secret}),
            "model": call.model,
            "messages": [dict(message) for message in call.request.messages],
            "api_base": call.provider.base_url,
            # One constant a provider: each new value would build a new client. The whole call is bounded outside.
            "timeout": call.provider.timeout_s,
        }
        vendor = of_prefix(prefix)
        # Where a vendor takes neither, they would end up in the request's body, and nothing retries anyway.
        if vendor is None or vendor.retry_arguments:
            arguments |= {"max_retries": 0, "num_retries": 0}
            if prefix in litellm.openai_compatible_providers or (vendor and vendor.hidden_retries):
                # Some configurations do not list `max_retries` and drop it; the SDK below then retries twice.
                arguments["allowed_openai_params"] = [*(params.get("allowed_openai_params") or ()), "max_retries"]
        return arguments

    def close(self) -> None:
        """Clear LiteLLM's cache of clients, each of which holds a key."""
        load().in_memory_llm_clients_cache.flush_cache()


async def _told_apart(loan: Loan, wrapper: Any) -> EventReply | TranslatedReply | WholeReply:
    reply = _asked(loan)
    if loan.opened is not None and await speaks_openai(loan.opened):
        return EventReply(loan.opened)
    return WholeReply(reply) if loan.opened is None and is_ours(reply) else TranslatedReply(wrapper, loan, reply)


def _asked(loan: Loan) -> Reply:
    if loan.reply is None:
        raise Refused(ValueError("LiteLLM answered by itself, without asking the vendor"))
    return loan.reply


def _failed(caught: Reply | None, error: BaseException) -> Reply:
    """The reply off the wire; without one what the cause chain holds. A body that broke off is a cut."""
    if caught is not None:
        return caught
    if isinstance(error, Refused):
        raise error
    if is_refusal(error):
        raise Refused(error) from None
    return reply_of(error)


def _answer(response: Any) -> Answer | None:
    return answer_of(response.model_dump(exclude_none=True)) if getattr(response, "choices", None) else None
