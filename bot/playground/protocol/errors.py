"""What goes wrong: Discord's REST errors, and what the people in a test run into."""

from __future__ import annotations

from typing import Any


class DiscordError(Exception):
    """A REST request refused: HTTP status, Discord's JSON code and sentence, for 50035 also the tree of errors."""

    def __init__(self, status: int, code: int, message: str, errors: dict[str, Any] | None = None) -> None:
        super().__init__(f"{status} ({code}): {message} {errors or ''}")
        self.status = status
        self.body: dict[str, Any] = {"code": code, "message": message}
        if errors:
            self.body["errors"] = errors


class TooManyError(DiscordError):
    """Refused until some seconds have passed."""

    def __init__(self, code: int, message: str, seconds: float) -> None:
        super().__init__(429, code, message)
        self.seconds = seconds
        self.body |= {"retry_after": seconds, "global": False}


def unauthorized() -> DiscordError:
    return DiscordError(401, 0, "401: Unauthorized")


def no_such_route() -> DiscordError:
    return DiscordError(404, 0, "404: Not Found")


def unknown(what: str) -> DiscordError:
    codes = {"Channel": 10003, "Guild": 10004, "Message": 10008, "User": 10013, "Webhook": 10015, "Member": 10007}
    codes |= {"Interaction": 10062, "Application": 10002, "application command": 10063}
    return DiscordError(404, codes[what], f"Unknown {what}")


def missing_access() -> DiscordError:
    return DiscordError(403, 50001, "Missing Access")


def missing_permissions() -> DiscordError:
    return DiscordError(403, 50013, "Missing Permissions")


def archived() -> DiscordError:
    return DiscordError(400, 50083, "Thread is archived")


class Form:
    """Collects what is wrong with a body, and raises it as Discord does: 50035 with a tree of `_errors`."""

    def __init__(self) -> None:
        self._tree: dict[str, Any] = {}

    def wrong(self, path: tuple[str | int, ...], code: str, message: str) -> None:
        node = self._tree
        for step in path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def length(self, path: tuple[str | int, ...], value: Any, low: int, high: int) -> bool:
        """Check the length of a text or a list; a missing one is wrong where low is above 0."""
        if value is None or (value == "" and low > 0):
            if low > 0:
                self.wrong(path, "BASE_TYPE_REQUIRED", "This field is required")
            return low == 0
        if not low <= len(value) <= high:
            if low > 0:
                self.wrong(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
            else:
                self.wrong(path, "BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")
            return False
        return True

    def choice(self, path: tuple[str | int, ...], value: Any, allowed: tuple[Any, ...]) -> bool:
        if value not in allowed:
            self.wrong(path, "BASE_TYPE_CHOICES", f"Value must be one of {{{', '.join(map(str, allowed))}}}.")
            return False
        return True

    def finish(self) -> None:
        if self._tree:
            raise DiscordError(400, 50035, "Invalid Form Body", self._tree)


class StandinError(Exception):
    """Base of what the people in a test run into."""


class DidNotRespondError(StandinError):
    """What a person reads as "The application did not respond"."""


class RefusedError(StandinError):
    """Discord's client would not even send this: no such command, a value out of range, a disabled button."""
