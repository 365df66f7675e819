"""Writes the whole ledger to standard output, one JSON object a line, for auditors to replay."""

from django.core.management.base import BaseCommand

from payouts.selectors.ledger import iterate_export_lines


class Command(BaseCommand):
    """Export the ledger."""

    help = "Write every journal entry as one line of JSON."

    def handle(self, *args: object, **options: object) -> None:
        """Write the lines as they come from the database."""
        for line in iterate_export_lines():
            self.stdout.write(line.decode(), ending="")
