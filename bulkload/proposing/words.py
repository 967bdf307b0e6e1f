"""Pure: words of a direction or a status → HubSpot's options [HubSpot: emails guide]."""

from __future__ import annotations

from bulkload.proposing.names import folded

_WORDS = {
    "hs_email_direction": {
        "EMAIL": """
            email out outgoing outbound sent send ausgehend ausgang gesendet sortant envoye
            saliente enviado uscita uitgaand saida utgående skickat wychodząca wychodzący odchozí
            исходящее исходящий исходящие вихідний вихідне giden 送信 发出 已发送 寄出 發送 발신""",
        "INCOMING_EMAIL": """
            incomingemail in incoming inbound received inbox eingehend eingang empfangen entrant
            recu entrante recibido entrata inkomend entrada inkommande mottaget przychodząca
            przychodzący příchozí входящее входящий входящие вхідний вхідне gelen 受信 收到 接收
            收件 수신""",
        "FORWARDED_EMAIL": "forwardedemail forwarded forward fwd weitergeleitet transfere",
    },
    "hs_email_status": {
        "SENT": """
            sent ok delivered success successful done opened read replied received gesendet
            zugestellt envoye enviado""",
        "BOUNCED": "bounced bounce hardbounce softbounce undeliverable unzustellbar rebote",
        "FAILED": "failed fail error fehlgeschlagen fehler echec",
        "SCHEDULED": "scheduled geplant planned planifie",
        "SENDING": "sending queued pending outbox",
    },
}

TRANSLATED: dict[str, dict[str, str]] = {
    name: {folded(word): option for option, words in options.items() for word in words.split()}
    for name, options in _WORDS.items()
}
"""Property → word, folded → option."""

YES = frozenset({"true", "yes", "1", "y", "t", "ja", "oui", "si", "wahr"})
NO = frozenset({"false", "no", "0", "n", "f", "nein", "non", "falsch"})


def translated(name: str, column: str, word: str) -> str | None:
    """The option of property `name` that `word` means; None where that isn't known.

    Yes and no mean a direction where the column is named for one.
    """
    spoken = folded(word)
    if name == "hs_email_direction":
        inward = any(part in folded(column) for part in ("incoming", "inbound", "eingehend"))
        if inward and spoken in YES | NO:
            return "INCOMING_EMAIL" if spoken in YES else "EMAIL"
    return TRANSLATED[name].get(spoken)
