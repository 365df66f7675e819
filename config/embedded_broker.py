"""The broker that needs no server: kombu's SQLAlchemy transport, made prompt and kept small.

It is a module of its own because importing SQLAlchemy takes longer than most commands run.
"""

from typing import Any

from kombu.transport import sqlalchemy


class Channel(sqlalchemy.Channel):
    """Removes delivered messages, which kombu only marks, so that the file does not grow for ever."""

    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]  # kombu's own name
        """Store a message, and remove those of its queue that were delivered."""
        super()._put(queue, payload, **kwargs)
        sent = self._query_all(queue)  # type: ignore[attr-defined]  # kombu has it, its stubs do not
        delivered = sent.filter(self.message_cls.visible.is_(False))
        delivered.delete(synchronize_session=False)
        self.session.commit()


class Transport(sqlalchemy.Transport):
    """Looks for messages often enough to feel prompt; the interval is the class's, as an option raises TypeError."""

    Channel = Channel
    polling_interval = 0.2
