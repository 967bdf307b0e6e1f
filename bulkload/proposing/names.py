"""Pure: what a column is likely to hold, by its name, in the languages that exports speak.

English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Polish, Czech, Russian,
Ukrainian, Turkish, Japanese, Korean and both ways to write Chinese; the columns of Outlook's and
Salesforce's exports, and HubSpot's own names.
"""

from __future__ import annotations

import unicodedata

MEANINGS: dict[str, str] = {
    "hs_timestamp": """
        timestamp date sentat senton sent sentdate datesent datetime messagedate activitydate
        time when ts receivedat receivedon received createdat createdon created createdate
        datum gesendetam gesendet versendetam versendet sendedatum zeitpunkt zeit empfangenam
        empfangen erstelltam erstellt dateenvoi datedenvoi envoyele envoye recule dateetheure
        fecha fechaenvio fechadeenvio fechayhora enviado enviadoel recibido recibidoel
        data datainvio inviato inviatoil ricevuto ricevutoil dataeora
        verzonden verzondenop verzenddatum ontvangen ontvangenop
        enviadoem dataenvio datadeenvio recebido recebidoem dataehora
        skickat skickad mottaget mottagen tid wysłano datawysłania otrzymano odebrano
        dataotrzymania odesláno datumodeslání přijato doručeno
        дата датаивремя отправлено датаотправки датаотправления получено датаполучения время
        надіслано датанадсилання відправлено датавідправлення отримано датаотримання часдата час
        tarih gönderildi gönderilmetarihi gönderimtarihi gönderimzamanı alındı alınmatarihi zaman
        日時 日付 送信日時 送信日 受信日時 受信日 日期 时间 日期时间 发送时间 发送日期 发件时间
        发件日期 接收时间 收件时间 收到时间 時間 日期時間 寄件日期 寄件時間 傳送時間 發送時間
        收件日期 收到日期 接收時間 날짜 일시 보낸날짜 보낸시간 발송일 발송일시 발신일시 전송일시
        받은날짜 받은시간 수신일 수신일시""",
    "hs_email_subject": """
        subject subjectline betreff betreffzeile objet sujet asunto oggetto onderwerp assunto
        title titel titre titulo titolo topic thema ämne ärende tema temat tytuł předmět
        тема темаписьма темалиста заголовок konu başlık
        件名 題名 表題 タイトル 主题 邮件主题 标题 主旨 主題 標題 제목""",
    "hs_email_text": """
        text body textbody bodytext plain plaintext bodyplain message content messagetext
        nachricht nachrichtentext inhalt corps corpsdumessage texte contenu
        cuerpo cuerpodelmensaje mensaje contenido texto
        corpo corpodelmessaggio messaggio testo contenuto bericht berichttekst tekst inhoud
        mensagem corpodamensagem conteudo meddelande meddelandetext brödtext innehåll
        treść treśćwiadomości wiadomość tělo tělozprávy zpráva textzprávy obsah
        текст текстписьма тело телописьма сообщение содержание содержимое письмо
        текстлиста тіло тілолиста повідомлення вміст зміст лист metin gövde ileti mesaj içerik
        本文 内容 メッセージ 正文 邮件正文 邮件内容 內文 內容 郵件內容 信件內容 訊息 본문 내용
        메시지 description beschreibung""",
    "hs_email_html": """
        html htmlbody bodyhtml htmltext htmlcontent contenthtml texthtml htmlnachricht corpshtml
        cuerpohtml corpohtml treśćhtml htmlтекст телоhtml html本文 html正文 html內文 html본문""",
    "hs_email_direction": """
        direction incoming isincoming inbound isinbound richtung eingehend sens direccion
        direzione richting direcao riktning kierunek směr направление напрямок yön 方向 送受信
        방향 type typ""",
    "hs_email_status": """
        status state deliverystatus sendstatus zustand zustellstatus statut estado stato""",
    "hubspot_owner_id": """
        ownerid owner hubspotownerid besitzerid besitzer zustandig proprietaire propietario
        eigenaar""",
    "from": """
        from sender author absender von expediteur de remitente mittente da afzender van
        remetente från avsändare od nadawca odesílatel от откого отправитель автор
        від відкого відправник kimden gönderen gönderici 差出人 送信者 送信元 发件人 发送人 发送者
        寄件者 寄件人 發件人 發送人 보낸사람 보낸이 발신자 발신인""",
    "to": """
        to recipients recipient an empfanger empfaenger destinataires destinataire a para
        destinatarios destinatario destinatari aan ontvanger ontvangers till mottagare
        do odbiorca odbiorcy adresat komu příjemce příjemci adresát кому получатель получатели
        адресат одержувач одержувачі отримувач отримувачі kime alıcı alıcılar
        宛先 送信先 受信者 收件人 接收人 收件者 收信人 받는사람 받는이 수신자 수신인""",
    "cc": """
        cc carboncopy copy kopie copie copia kopia dw копия копія bilgi 写し 抄送 副本 참조""",
    "bcc": """
        bcc blindcopy blindkopie cci cco ccn udw hemligkopia skrytákopie скрытаякопия
        прихованакопія gizli 密送 密件抄送 密件副本 숨은참조 비밀참조""",
    "from name": """
        fromname sendername absendername vonname nomexpediteur authorname denom denombre danome
        denome vannaam frånnamn odnazwa odjméno отимя імявідправника імяотправника kimdenad
        差出人名前 差出人名 发件人姓名 寄件者姓名 보낸사람이름""",
    "to name": """
        toname tonames recipientname recipientnames empfangername anname anom paranombre anome
        paranome aannaam tillnamn donazwa komujméno комуимя kimead 宛先名前 收件人姓名 收件者姓名
        받는사람이름""",
    "cc name": "ccname ccnames ccnom ccnombre ccnome ccnaam",
    "bcc name": "bccname bccnames ccinom cconombre ccnnome bccnaam",
    "contacts": "contactid contactids contact contacts hubspotcontactid kontaktid kontakt",
    "companies": """
        companyid companyids company companies firmaid firma unternehmenid unternehmen
        entreprise societe""",
    "deals": "dealid dealids deal deals",
    "tickets": "ticketid ticketids ticket tickets",
}
"""What a column may mean → names, the likelier first."""


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


_KNOWN: dict[tuple[str, str], int] = {}
for _meaning, _words in MEANINGS.items():
    for _place, _word in enumerate(_words.split()):
        _KNOWN.setdefault((_meaning, folded(_word)), _place)
_BEFORE = ("associated", "hubspot", "hsemail", "email", "mail", "message", "msg", "hs")
_ADDRESS = """
    emailaddresses emailaddress addresses adresse address emails email direccion indirizzo endereco
    adress adresa adres адреса адрес メールアドレス アドレス 地址 位址 주소"""
_AFTER = tuple(map(folded, _ADDRESS.split()))
