"""Pure: what kind of mail folder a name stands for, in the languages that mail programs speak.

A table and not a guess: a name that is not in it is no kind. Names are compared by their letters
alone, without case and accents, so that "Éléments envoyés", "elements_envoyes 2019" and
"&AMk-l&AOk-ments envoy&AOk-s" (an IMAP name, RFC 3501 5.1.3) are one. Gmail's labels, which
Takeout writes in the account's language, are judged by the same table.

Sources: the names that Gmail, Outlook, Exchange, Apple Mail, Thunderbird, Yahoo, GMX, Dovecot and
Courier give; the kinds are those of RFC 6154, the outbox among the drafts, since nothing in it
was sent.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from functools import lru_cache
from typing import Literal

FolderKind = Literal["inbox", "sent", "drafts", "trash", "spam", "archive"]

_NAMES: dict[FolderKind, str] = {
    "inbox": """
        Inbox, Incoming, Posteingang, Boîte de réception, Courrier entrant, Bandeja de entrada,
        Recibidos, Posta in arrivo, In arrivo, Caixa de entrada, A receber, Postvak IN, Inkorgen,
        Inkorg, Indbakke, Innboks, Saapuneet, Skrzynka odbiorcza, Odebrane, Doručená pošta,
        Doručené, Doručená korešpondencia, Beérkezett üzenetek, Beérkező levelek, Mesaje primite,
        Inbox primite, Входящие, Вхідні, Входяща поща, Вх. поща, Входящи, Εισερχόμενα,
        Gelen Kutusu, Safata d'entrada, Primljeno, Ulazna pošta, Prejeto, Примљено, Saabunud,
        Iesūtne, Gautieji, Hộp thư đến, Kotak Masuk, กล่องจดหมาย, דואר נכנס, البريد الوارد,
        الوارد, 受信トレイ, 受信箱, 收件箱, 收件匣, 받은편지함, 받은 메일함
        """,
    "sent": """
        Sent, Sent Mail, Sent Items, Sent Messages, Sent Email, Outgoing,
        Gesendet, Gesendete, Gesendete Objekte, Gesendete Elemente, Gesendete Nachrichten,
        Gesendete Mails,
        Envoyés, Envoyé, Messages envoyés, Éléments envoyés, Courrier envoyé, Mails envoyés,
        Enviados, Enviado, Elementos enviados, Mensajes enviados, Correo enviado,
        Mensagens enviadas, Itens enviados, E-mails enviados, Enviadas, Enviats,
        Elements enviats, Missatges enviats,
        Posta inviata, Inviati, Inviata, Messaggi inviati, Elementi inviati, Inviate,
        Verzonden, Verzonden items, Verzonden berichten, Verzonden e-mail,
        Skickat, Skickade, Skickade objekt, Skickade meddelanden, Skickad e-post,
        Sendt, Sendte, Sendt post, Sendt e-post, Sendte elementer, Sendte mails, Sendte e-mails,
        Lähetetyt, Lähetetyt viestit, Lähetetyt kohteet,
        Wysłane, Elementy wysłane, Wysłane wiadomości, Poczta wysłana,
        Odeslaná pošta, Odeslané, Odeslané položky, Odoslaná pošta, Odoslané, Odoslané položky,
        Elküldött, Elküldött levelek, Elküldött elemek, Elküldött üzenetek,
        Trimise, Mesaje trimise, Elemente trimise, E-mailuri trimise,
        Отправленные, Отправленное, Отправленные элементы, Надіслані, Відправлені,
        Надіслані елементи, Изпратени, Изпратена поща, Изпратени елементи, Дасланыя,
        Απεσταλμένα, Σταλθέντα, Στοιχεία που έχουν σταλεί,
        Gönderilmiş Postalar, Gönderilenler, Gönderilmiş Öğeler, Gönderilmiş,
        Poslano, Poslana pošta, Poslane stavke, Послато, Poslato,
        Saadetud, Saadetud kirjad, Nosūtītās, Nosūtītie, Išsiųsti, Išsiųsti laiškai,
        Đã gửi, Thư đã gửi, Terkirim, Pesan Terkirim, Item Terkirim, ส่งแล้ว, จดหมายที่ส่ง,
        נשלחו, דואר שנשלח, פריטים שנשלחו, المرسلة, البريد المرسل, العناصر المرسلة, المرسل,
        送信済み, 送信済みメール, 送信済みアイテム, 送信済みトレイ,
        送信箱, 已发送, 已发邮件, 已发送邮件, 已发送的邮件,
        寄件備份, 已傳送, 已寄出, 寄件匣備份, 보낸편지함, 보낸 메일함, 보낸 항목
        """,
    "drafts": """
        Drafts, Draft, Outbox, Unsent, Unsent Messages, Postponed, Templates,
        Entwürfe, Entwurf, Postausgang, Vorlagen, Brouillons, Brouillon, Boîte d'envoi,
        Borradores, Borrador, Bandeja de salida, Bozze, Bozza, Posta in uscita, In uscita,
        Rascunhos, Rascunho, Caixa de saída, Concepten, Concept, Postvak UIT, Utkast, Utkorgen,
        Kladder, Kladde, Udbakke, Utboks,
        Luonnokset, Lähtevät, Szkice, Kopie robocze, Wersje robocze,
        Skrzynka nadawcza, Koncepty, Rozepsané, K odeslání, Rozpísané, Piszkozatok, Vázlatok,
        Ciorne, Mesaje nefinalizate, Черновики, Чернетки, Чернови, Чарнавікі, Исходящие, Вихідні,
        Πρόχειρα, Taslaklar, Taslak, Giden Kutusu, Esborranys, Nacrti, Skice, Osnutki, Нацрти,
        Mustandid, Melnraksti, Juodraščiai, Thư nháp, Bản nháp, Draf, Konsep, แบบร่าง, ร่างจดหมาย,
        טיוטות, المسودات, مسودات, 下書き, 送信トレイ,
        草稿, 草稿箱, 草稿匣, 임시보관함, 임시 보관함, 임시 보관 메일함
        """,
    "trash": """
        Trash, Deleted, Deleted Items, Deleted Messages, Bin, Wastebasket, Recycle Bin,
        Recoverable Items, Deletions,
        Papierkorb, Gelöscht, Gelöschte Objekte, Gelöschte Elemente, Gelöschte Nachrichten,
        Corbeille, Éléments supprimés, Messages supprimés, Supprimés, Papelera, Eliminados,
        Elementos eliminados, Papelera de reciclaje, Cestino, Posta eliminata, Elementi eliminati,
        Lixeira, Lixo, Itens excluídos, Itens eliminados, Excluídos, Prullenbak, Verwijderd,
        Verwijderde items, Papperskorgen, Papperskorg, Borttaget, Borttagna objekt, Papirkurv,
        Slettet post, Slettede elementer, Søppel, Papirkurven, Roskakori, Poistetut, Kosz,
        Elementy usunięte, Usunięte, Koš, Odstraněná pošta, Odstraněné, Kôš, Odstránená pošta,
        Odstránené položky, Kuka, Törölt elemek, Lomtár, Coș de gunoi, Elemente șterse, Șterse,
        Корзина, Удаленные, Удалённые, Кошик, Видалені, Кошче, Изтрити, Сметніца, Κάδος,
        Κάδος απορριμμάτων, Διαγραμμένα, Çöp Kutusu, Çöp, Silinmiş Öğeler, Paperera,
        Elements suprimits, Smeće, Koš za smeće, Izbrisano, Отпад, Prügikast, Kustutatud,
        Atkritne, Miskaste, Šiukšlinė, Šiukšliadėžė, Thùng rác, Sampah, Tong Sampah, ถังขยะ, אשפה,
        פריטים שנמחקו, المهملات, سلة المهملات, العناصر المحذوفة,
        ゴミ箱, ごみ箱, 削除済みアイテム, 已删除,
        已删除邮件, 垃圾箱, 废纸篓, 垃圾桶, 刪除的郵件, 휴지통, 지운 편지함, 지운 항목
        """,
    "spam": """
        Spam, Junk, Junk Mail, Junk Email, Bulk Mail, Quarantine,
        Spamverdacht, Unerwünscht, Unerwünschte Werbung, Courrier indésirable,
        Indésirables, Pourriel, Correo no deseado, Posta indesiderata, Indesiderata,
        Lixo eletrônico, Lixo eletrónico, Correio indesejado, Ongewenste e-mail, Ongewenst,
        Skräppost, Skräp, Uønsket post, Uønsket, Søppelpost, Uønsket e-post, Roskaposti,
        Wiadomości-śmieci, Niechciane, Nevyžádaná pošta, Nevyžádané, Nevyžiadaná pošta,
        Levélszemét, Mesaje nedorite, Спам, Нежелательная почта, Нежелательные, Небажана пошта,
        Нежелана поща, Ανεπιθύμητα, Ανεπιθύμητη αλληλογραφία, İstenmeyen, Önemsiz, Gereksiz,
        Önemsiz E-posta, Correu brossa, Neželjena pošta, Vsiljena pošta, Непожељно, Rämpspost,
        Mēstules, Surogatpastas, Brukalas, Thư rác, จดหมายขยะ, สแปม, דואר זבל, ספאם, بريد مزعج,
        الرسائل غير المرغوب فيها, البريد الإلكتروني غير الهام, غير المرغوب, 迷惑メール, 垃圾邮件,
        垃圾郵件, 스팸, 스팸함, 스팸편지함, 정크 메일
        """,
    "archive": """
        Archive, Archives, Archived, Archiv, Archiviert, Archivés, Archivo, Archivados, Archivio,
        Archiviati, Arquivo, Arquivados, Arquivo morto, Archief, Gearchiveerd, Arkiv, Arkiverat,
        Arkisto, Archiwum, Zarchiwizowane, Archív, Archivovat, Archívum, Arhivă, Архив, Архів,
        Αρχειοθήκη, Arşiv, Arxiu, Arhiva, Arhiv, Arhiiv, Arhīvs, Archyvas, Lưu trữ, Arsip,
        เก็บถาวร, ארכיון, أرشيف, アーカイブ, 归档, 存档, 封存, 보관함, 보관,
        All Mail, Alle Nachrichten, Tous les messages, Todos, Tutti i messaggi, Todos os e-mails
        """,
}

_BASE64 = re.compile(r"&([A-Za-z0-9+,]*)-")
_STORES = (".mbox", ".sbd", ".mbx")
"""What Apple Mail and Thunderbird add to a folder's name on the disk."""


@lru_cache(maxsize=4096)
def folder_kind(path: str) -> FolderKind | None:
    """The kind of the folder at `path`, its parts between slashes, or of a label.

    A folder below the trash or the spam is of that kind; else its deepest part that is in the
    table decides, so that Sent/2019 is sent. None: none of its parts is.
    """
    kinds = [kind for part in _parts(path) if (kind := _KINDS.get(_letters(part)))]
    for kind in kinds:
        if kind in ("trash", "spam"):
            return kind
    return kinds[-1] if kinds else None


@lru_cache(maxsize=4096)
def folder_name(path: str) -> str:
    """`path` as a person reads it: an IMAP name is decoded."""
    return _BASE64.sub(_unpacked, path)


def _parts(path: str) -> list[str]:
    path = folder_name(path).replace("\\", "/")
    if path.upper().startswith("INBOX."):  # as Cyrus and Courier write it
        path = path.replace(".", "/")
    parts = []
    for part in path.split("/"):
        for store in _STORES:
            part = part.removesuffix(store)  # noqa: PLW2901  # one store within another
        parts.append(part)
    return parts


def _unpacked(match: re.Match[str]) -> str:
    if not match[1]:
        return "&"
    packed = match[1].replace(",", "/")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4)).decode("utf-16-be")
    except (binascii.Error, ValueError):
        return match[0]


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in plain if letter.isalpha())


_KINDS: dict[str, FolderKind] = {
    _letters(name): kind for kind, names in _NAMES.items() for name in names.split(",")
}
