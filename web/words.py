"""The words that the browser's scripts put on pages, in the page's language: one catalogue for templates and scripts.

A key is a script's name for a sentence; `{name}` in it is filled in by the script. `.one` and `.other` are the plural
forms of English and French.
"""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Words = Mapping[str, Promise | str]

ERROR_WORDS: Words = {
    "error.age-damaged": _("What the server sent is damaged: it does not authenticate. Nothing of it was kept."),
    "error.age-truncated": _("What the server sent is cut off: its end is missing. Nothing of it was kept."),
    "error.blob-mismatch": _("The server has other bytes than those that this link was made for."),
    "error.plaintext-mismatch": _("The decrypted file is not the one that this link was made for."),
    "error.link-format": _("The link is incomplete: without the whole part after the # there is no key."),
    "error.wrong-key": _("The key in this link does not open this file. Was the link copied whole?"),
    "error.wrong-password": _("The password does not open this link."),
    "error.manifest": _("The list of files in this link is malformed, so nothing of it is shown."),
    "error.link-gone": _("This link has ended: it expired, was used up, deleted or disabled."),
    "error.not-found": _("There is no such link."),
    "error.payment-needed": _("The transfer was not paid: the balance is not enough, or nobody is signed in."),
    "error.price": _("The price changed meanwhile. Reload the page to see it."),
    "error.balance-frozen": _("Your balance is frozen: a deposit that was spent left the chain."),
    "error.not-signed-in": _("You are signed out. Sign in again, then resume."),
    "error.offline": _("No connection. It goes on by itself."),
    "error.server-unavailable": _("The server cannot be reached or is failing. Try again later."),
    "error.quota-exceeded": _("Your account's storage is full."),
    "error.storage-full": _("The server's storage is full."),
    "error.too-many-uploads": _("You have too many unfinished uploads. Finish one or give one up."),
    "error.record-not-ready": _("The file is being registered. Try again in a few seconds."),
    "error.upload-too-large": _("The upload is larger than this server accepts."),
    "error.upload-gone": _("The server has given this upload up. Begin a new one."),
    "error.upload-busy": _("Another tab or program is sending this upload."),
    "error.files-differ": _("These are not the same files: a name, a length or the content differs."),
    "error.plaintext-changed": _("A file changed since the upload began. Begin a new upload."),
    "error.name-refused": _("A file has a name that cannot be stored safely."),
    "error.empty-source": _("There is nothing to upload: the files are empty."),
    "error.browser": _("This browser lacks something that is needed here."),
    "error.rejected": _("The server refused the request."),
    "error.cancelled": _("Cancelled."),
    "error.unexpected": _("Something unexpected happened."),
}
UNIT_WORDS: Words = {
    "unit.bytes.one": _("{count} byte"),
    "unit.bytes.other": _("{count} bytes"),
    "unit.kb": _("{count} KB"),
    "unit.mb": _("{count} MB"),
    "unit.gb": _("{count} GB"),
    "unit.speed": _("{size} a second"),
    "unit.seconds.one": _("{count} second left"),
    "unit.seconds.other": _("{count} seconds left"),
    "unit.minutes.one": _("{count} minute left"),
    "unit.minutes.other": _("{count} minutes left"),
    "unit.hours.one": _("{count} hour left"),
    "unit.hours.other": _("{count} hours left"),
}
UPLOAD_WORDS: Words = {
    **ERROR_WORDS,
    **UNIT_WORDS,
    "chosen.remove": _("Remove {name}"),
    "chosen.total.one": _("{count} file, {size}"),
    "chosen.total.other": _("{count} files, {size}"),
    "chosen.added.one": _("{count} file was added."),
    "chosen.added.other": _("{count} files were added."),
    "chosen.empty": _("There was no file in it."),
    "name.several.one": _("{name} and {count} other"),
    "name.several.other": _("{name} and {count} others"),
    "state.encrypting": _("Encrypting: {percent} %"),
    "state.sending": _("Sending: {percent} %"),
    "state.finishing": _("Finishing"),
    "state.paused": _("Paused at {percent} %"),
    "state.waiting": _("Waiting at {percent} %: {why}"),
    "state.failed": _("Failed: {why}"),
    "state.done": _("Uploaded. The link is ready."),
    "state.cancelled": _("The upload was cancelled."),
    "bar": _("Progress of {name}"),
    "pause": _("Pause {name}"),
    "resume": _("Resume {name}"),
    "cancel": _("Cancel {name}"),
    "copied": _("The link was copied."),
    "not-copied": _("The browser did not let the page copy. The link is marked: press Ctrl+C."),
    "qr": _("The link as a QR code"),
    "link-of": _("Link of {name}"),
    "unfinished": _("{percent} % of {size} sent"),
    "unfinished.files": _("{percent} % of {size} sent. Choose the same files again to go on."),
    "leave": _("An upload is under way."),
    "price.wrong": _("A price is a number of satoshi with at most three decimals."),
    "transfers.wrong": _("A maximum is a whole number from 1 on."),
}
FILES_WORDS: Words = {
    "copied": _("The link was copied."),
    "not-copied": _("The browser did not let the page copy. Open the link and copy its address."),
    "copy": _("Copy the link of {name}"),
    "open": _("Open {name}"),
}
SHARE_WORDS: Words = {
    **ERROR_WORDS,
    **UNIT_WORDS,
    "opening": _("Opening"),
    "opened": _("Opened: {name}"),
    "lede.file": _("A file that only who has this whole link can read. It is decrypted here, in your browser."),
    "lede.folder.one": _("A folder of {count} file that only who has this whole link can read."),
    "lede.folder.other": _("A folder of {count} files that only who has this whole link can read."),
    "download.file": _("Download"),
    "download.folder": _("Download all as zip"),
    "download.one": _("Download {name}"),
    "look": _("Look"),
    "look.one": _("Look at {name}"),
    "preparing": _("Preparing the transfer"),
    "registering": _("The file is being registered; a few seconds more"),
    "streaming": _("Decrypting: {percent} %"),
    "done": _("Saved by your browser. Every part was authenticated."),
    "failed": _("Failed: {why} Your browser discards what it has."),
    "charged": _("{amount} were charged."),
    "shown": _("{name}, decrypted in this browser"),
    "shown.cut": _("{name}: the first {size}"),
    "not-shown": _("This browser cannot show {name}. Download it instead."),
    "deposit.words": _("At least {amount}. It counts after {count} confirmations. Come back then."),
    "deposit.failed": _("There is no address to deposit to now."),
    "qr.deposit": _("The deposit address as a QR code"),
    "report.failed": _("The report could not be sent. Try again later."),
}


def translate_words(words: Words) -> dict[str, str]:
    """Return words in the language of the page that is being made."""
    return {key: str(word) for key, word in words.items()}
