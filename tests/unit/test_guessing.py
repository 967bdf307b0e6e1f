"""Which encoding text is in that is no UTF-8: by its letters, however much English is around it."""

# ruff: noqa: E501  # a sentence of each language on its line

from __future__ import annotations

import pytest

from bulkload.mail.guessing import likeliest

TEXTS = {
    "french": ("cp1252", "Réunion décalée à la rentrée, où l’équipe espère être prête. Ça vous va, Hélène ?"),
    "german": ("cp1252", "Für nächste Woche wäre das gewünschte Gespräch möglich, schöne Grüße aus Köln."),
    "spanish": ("cp1252", "¿Podría enviarme la cotización mañana? La reunión será después, señor Ibáñez."),
    "portuguese": ("cp1252", "Não recebi a informação; a apresentação é amanhã e você está em atenção."),
    "italian": ("cp1252", "La riunione è stata spostata a lunedì perché così non va, più tardi invierò la qualità."),
    "swedish": ("cp1252", "Kan vi träffas på måndag? Vänliga hälsningar från Åsa, mötet är inställt."),
    "danish": ("cp1252", "Vedhæftet er tilbuddet, vi mødes på torsdag og får først svar næste uge, Søren."),
    "finnish": ("cp1252", "Tässä on pyytämäsi tarjous, voimmeko jäädä pöytään? Ystävällisin terveisin, Mäkinen."),
    "dutch": ("cp1252", "De coördinatie is geüpdatet, één vraag nog over de financiële categorieën, Daniël."),
    "english": ("cp1252", "It’s “final”: £250 – or €300… We’ll meet at Zoë’s café."),
    "czech": ("cp1250", "Můžeme se sejít příští týden? Schůzka byla zrušena, děkujeme, Jiří Dvořák."),
    "polish": ("cp1250", "Czy możemy się spotkać? Proszę o wiadomość, dziękuję bardzo, Łukasz Wójcik, święta."),
    "polish-iso": ("iso8859-2", "Czy możemy się spotkać? Proszę o wiadomość, dziękuję bardzo, Łukasz, święta."),
    "hungarian": ("cp1250", "Tudnánk találkozni jövő hétfőn? A megbeszélést töröltük, idő szűkében, Gergő."),
    "turkish": ("cp1254", "Pazartesi günü görüşebilir miyiz? Toplantı iptal edildi, teşekkürler, Şükrü Yıldız."),
    "lithuanian": ("cp1257", "Ar galėtume susitikti kitą savaitę? Ačiū už kantrybę, siųsime sąskaitą, Žydrūnas."),
    "russian": ("cp1251", "Можем ли мы встретиться на следующей неделе? Встреча отменена."),
    "russian-koi": ("koi8-r", "Можем ли мы встретиться на следующей неделе? Встреча отменена."),
    "ukrainian": ("cp1251", "Чи можемо ми зустрітися наступного тижня? Зустріч скасовано, її перенесено."),
    "greek": ("cp1253", "Μπορούμε να συναντηθούμε την επόμενη εβδομάδα; Η συνάντηση ακυρώθηκε."),
    "hebrew": ("cp1255", "האם נוכל להיפגש בשבוע הבא? הפגישה בוטלה, נעדכן בהמשך."),
    "arabic": ("cp1256", "هل يمكننا أن نلتقي الأسبوع القادم؟ تم إلغاء الاجتماع."),
    "thai": ("cp874", "เราพบกันสัปดาห์หน้าได้ไหม ขอบคุณมากครับ การประชุมถูกยกเลิก"),
    "japanese": ("cp932", "来週お会いできますでしょうか。会議は中止になりました。"),
    "japanese-euc": ("euc_jp", "来週お会いできますでしょうか。会議は中止になりました。"),
    "chinese": ("gb18030", "下周我们可以见面吗?会议取消了,稍后通知您。谢谢您的耐心。"),
    "taiwanese": ("big5", "下週我們可以見面嗎?會議取消了,稍後通知您。謝謝您的耐心。"),
    "korean": ("euc_kr", "다음 주에 만날 수 있을까요? 회의가 취소되었습니다."),
    "french-mac": ("mac-roman", "Réunion décalée à la rentrée, où l’équipe espère être prête. Ça vous va ?"),
}  # fmt: skip


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("english", [0, 1_000])
def test_text_comes_out_as_it_went_in_however_much_english_is_around_it(
    language: str, english: int
) -> None:
    encoding, text = TEXTS[language]
    row = f'2024-01-01;a@example.com;"{text}"\r\n'.encode(encoding)
    plain = b'2024-01-02;b@example.com;"The invoice was sent on Monday."\r\n' * english
    found = likeliest(b"date;from;text\r\n" + plain + row + plain, 1 << 16)
    assert row.decode(found) == row.decode(encoding)


SHORT = [
    "", "abc", "café", "Zoë & Björn", "£ 5", "20 €, 30 €…", "“It’s – fine”", "Été, déjà vu",
    "Réunion déplacée à mardi", "Perché così è più bello", "¿Qué pasó mañana?",
    "Café olé résumé à Noël", "Please\xa0 call\xa0 me\xa0 back.\xa0",
]  # fmt: skip


@pytest.mark.parametrize("text", SHORT)
def test_a_letter_or_two_are_western_ones(text: str) -> None:
    assert likeliest(text.encode("cp1252"), 1 << 16) == "cp1252"


@pytest.mark.parametrize("raw", [bytes(range(256)) * 40, b"\xff" * 900, b"\x81\x8d\x9d\xfe" * 9])
def test_what_is_no_text_has_an_answer_that_python_knows(raw: bytes) -> None:
    assert raw.decode(likeliest(raw, 1 << 16), "replace")


@pytest.mark.parametrize("language", ["russian", "japanese", "chinese", "greek"])
def test_a_long_line_tells_by_its_first_letters_past_ascii(language: str) -> None:
    encoding, text = TEXTS[language]
    raw = b"<style>" + b"p { color: red }" * 500 + b"</style>" + (text * 3).encode(encoding)
    assert raw.decode(likeliest(raw, 2_048)) == raw.decode(encoding)
