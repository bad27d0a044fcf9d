"""A statement under rewriting: its tokens, addressed without the white space, and what replaces some."""

from collections.abc import Iterator, Sequence

from lambent.warehouse.tokens import Kind, Token

_END = Token(Kind.SIGN, "")


class Edit:
    """Positions count significant tokens; ranges are half open. What nobody replaces stays to the letter."""

    def __init__(self, parts: Sequence[Token]) -> None:
        self._parts = parts
        self._text = [token.text for token in parts]
        self._at = [i for i, token in enumerate(parts) if token.kind is not Kind.SPACE]

    def __len__(self) -> int:
        return len(self._at)

    def token(self, n: int) -> Token:
        """The token at `n`; an empty sign beyond the ends."""
        return self._parts[self._at[n]] if 0 <= n < len(self._at) else _END

    def word(self, n: int) -> str:
        return self.token(n).word

    def sign(self, n: int) -> str:
        token = self.token(n)
        return token.text if token.kind is Kind.SIGN else ""

    def says(self, n: int, *words: str) -> bool:
        """Whether these keywords stand at `n`."""
        return all(self.word(n + i) == word for i, word in enumerate(words))

    def after_group(self, n: int) -> int:
        """The position behind the parenthesis that closes the one at `n`."""
        depth = 0
        while n < len(self):
            depth += {"(": 1, ")": -1}.get(self.sign(n), 0)
            n += 1
            if depth == 0:
                break
        return n

    def after_name(self, n: int) -> int:
        """The position behind the dotted name at `n`."""
        n += 1
        while self.sign(n) == ".":
            n += 2
        return n

    def items(self, n: int) -> Iterator[tuple[int, int]]:
        """The ranges between the commas of the parenthesis at `n`."""
        end = self.after_group(n) - 1
        start = at = n + 1
        while at < end:
            if self.sign(at) == ",":
                yield start, at
                start = at = at + 1
            else:
                at = self.after_group(at) if self.sign(at) == "(" else at + 1
        yield start, end

    def text(self, start: int, end: int) -> str:
        if start >= end:
            return ""
        return "".join(token.text for token in self._parts[self._at[start] : self._at[end - 1] + 1])

    def replace(self, start: int, end: int, text: str = "") -> None:
        if start < end:
            first, last = self._at[start], self._at[end - 1]
            self._text[first : last + 1] = [text] + [""] * (last - first)

    def append(self, n: int, text: str) -> None:
        self._text[self._at[n]] += text

    @property
    def sql(self) -> str:
        return "".join(self._text)
