"""Pure: what a column is likely to hold, by its name, in the languages that exports speak.

English, German, French, Spanish, Italian, Dutch and Portuguese, the columns of Outlook's and
Salesforce's exports, and HubSpot's own names.
"""

from __future__ import annotations

import unicodedata

MEANINGS: dict[str, str] = {
    "hs_timestamp": """
        timestamp date sentat senton sent sentdate datesent datetime messagedate activitydate
        time when ts receivedat receivedon received createdat createdon created createdate
        datum gesendetam gesendet versendetam versendet sendedatum zeitpunkt zeit empfangenam
        empfangen erstelltam erstellt dateenvoi datedenvoi envoyele envoye recule
        fecha fechaenvio fechadeenvio enviado enviadoel data datainvio inviato inviatoil
        verzonden verzondenop verzenddatum enviadoem dataenvio datadeenvio""",
    "hs_email_subject": """
        subject subjectline betreff betreffzeile objet sujet asunto oggetto onderwerp assunto
        title titel titre titulo titolo topic thema""",
    "hs_email_text": """
        text body textbody bodytext plain plaintext bodyplain message content messagetext
        nachricht nachrichtentext inhalt corps texte contenu cuerpo mensaje contenido texto
        corpo messaggio testo contenuto bericht tekst inhoud mensagem conteudo
        description beschreibung""",
    "hs_email_html": "html htmlbody bodyhtml htmltext htmlcontent contenthtml texthtml",
    "hs_email_direction": """
        direction incoming isincoming inbound isinbound richtung eingehend sens direccion
        direzione richting direcao type typ""",
    "hs_email_status": """
        status state deliverystatus sendstatus zustand zustellstatus statut estado stato""",
    "hubspot_owner_id": """
        ownerid owner hubspotownerid besitzerid besitzer zustandig proprietaire propietario
        eigenaar""",
    "from": """
        from sender author absender von expediteur de remitente mittente da afzender van
        remetente""",
    "to": """
        to recipients recipient an empfanger empfaenger destinataires destinataire a para
        destinatarios destinatario destinatari aan ontvanger ontvangers""",
    "cc": "cc carboncopy copy kopie copie copia",
    "bcc": "bcc blindcopy blindkopie cci cco ccn",
    "from name": "fromname sendername absendername vonname nomexpediteur authorname",
    "to name": "toname tonames recipientname recipientnames empfangername anname",
    "cc name": "ccname ccnames",
    "bcc name": "bccname bccnames",
    "contacts": "contactid contactids contact contacts hubspotcontactid kontaktid kontakt",
    "companies": """
        companyid companyids company companies firmaid firma unternehmenid unternehmen
        entreprise societe""",
    "deals": "dealid dealids deal deals",
    "tickets": "ticketid ticketids ticket tickets",
}
"""What a column may mean → names, the likelier first."""

_KNOWN: dict[tuple[str, str], int] = {}
for _meaning, _words in MEANINGS.items():
    for _place, _word in enumerate(_words.split()):
        _KNOWN.setdefault((_meaning, _word), _place)
_BEFORE = ("associated", "hubspot", "hsemail", "email", "mail", "message", "msg", "hs")
_AFTER = ("emailaddresses", "emailaddress", "addresses", "adresse", "address", "emails", "email")


def likeness(column: str, meaning: str) -> tuple[int, int] | None:
    """How well the name fits, the lesser the better; None: not at all."""
    if column == meaning:
        return -1, 0
    for rank, name in enumerate(_readings(column)):
        place = _KNOWN.get((meaning, name))
        if place is not None:
            return rank, place
    return None


def _readings(column: str) -> list[str]:
    """The name, without what is said before or after it, and the end of a dotted path."""
    whole = folded(column)
    inner = next((whole[len(b) :] for b in _BEFORE if whole.startswith(b) and whole != b), whole)
    return [whole, inner, _bare(whole), _bare(inner), folded(column.rpartition(".")[2])]


def _bare(name: str) -> str:
    return next((name[: -len(a)] for a in _AFTER if name.endswith(a) and name != a), name)


def folded(text: str) -> str:
    """Its letters and digits, without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in apart if sign.isalnum())
