"""Makes the binary files among the sample documents for customers: the onboarding slides and the column guide.

Run from the project folder: `python -m knowledge.samples.make_customer_files`. Both files are written into
`help-centre` beside this script and come out the same each time.
"""

from pathlib import Path

from pptx import Presentation

from knowledge.samples.make_staff_files import Row, settle, write_xlsx

HELP_CENTRE = Path(__file__).parent / "help-centre"

SLIDES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Getting started with Tallyvane",
        (
            "Onboarding slides for new customers, edition of spring 2025.",
            "These slides lead you through the first week: company data, first invoice, time tracking and team.",
            "The guided set-up takes about 25 minutes and can be stopped and resumed at any point.",
        ),
    ),
    (
        "Day 1: company data",
        (
            "Enter the name, address and VAT number of your company under Settings, Company.",
            "Upload your logo as PNG or SVG with at most 2 MB.",
            "Choose the number of your first invoice, because it cannot be changed after the first sending.",
            "Add your bank account, so that it is printed at the foot of every invoice.",
        ),
    ),
    (
        "Day 2: your first invoice",
        (
            "Create a customer, add one item and press Preview.",
            "Send the first invoice to yourself to see what your customers will see.",
            "Reminders are sent 3, 10 and 21 days after the due date unless you change the steps.",
            "Payment links let your customers pay by card on the invoice page.",
        ),
    ),
    (
        "Day 3: time tracking",
        (
            "Create a project for each order and set its hourly rate.",
            "Start the timer in the browser or in the mobile app.",
            "At the end of the week, turn your time entries into an invoice with two clicks.",
        ),
    ),
    (
        "Day 4: invite your team",
        (
            "Invite colleagues under Settings, Users; each of them needs a seat.",
            "Give your bookkeeping the role Bookkeeper.",
            "Turn on two-factor login for everybody before real customer data is entered.",
            "One external accountant can be invited free of charge.",
        ),
    ),
    (
        "Day 5: connect other programs",
        (
            "API keys are created under Settings, Developers on the Team plan and above.",
            "The API rate limit is 100 requests per minute.",
            "Webhooks tell your shop or your accounting program when an invoice is paid.",
            "Try everything in the sandbox first, where no e-mail leaves the house.",
        ),
    ),
    (
        "Where to get help",
        (
            "The help desk works from Monday to Friday, 08:00 to 18:00 CET.",
            "A live onboarding webinar takes place every Tuesday at 10:00 CET and lasts 45 minutes.",
            "Your free trial lasts 21 days, and no card is needed.",
            "Write to support@example.com and name your account number.",
        ),
    ),
)

COLUMNS: tuple[Row, ...] = (
    ("Column", "Required", "Format", "Example", "Explanation"),
    (
        "customer_number",
        "no",
        "up to 20 letters and digits",
        "C-1042",
        "If the column customer_number is empty, the next free number is given.",
    ),
    ("name", "yes", "up to 120 characters", "Harbour Bakery Ltd", "The name is printed on every invoice."),
    ("street", "no", "up to 80 characters", "Quay Road 7", "Street and house number stand in one column."),
    ("postal_code", "no", "text", "04109", "Format the column postal_code as text, so that leading zeros survive."),
    ("city", "no", "up to 60 characters", "Leipzig", "The city is needed for e-invoices."),
    (
        "country_code",
        "yes",
        "two capital letters",
        "DE",
        "The column country_code is required and holds two capital letters by ISO 3166.",
    ),
    (
        "vat_number",
        "no",
        "country code and digits",
        "DE000000000",
        "The VAT number is checked during the import, and a wrong one is left out with a warning.",
    ),
    (
        "email",
        "no",
        "one address",
        "accounts@example.org",
        "Invoices are sent to this address; several addresses are not possible.",
    ),
    (
        "language",
        "no",
        "de, en, es, fr, it or nl",
        "en",
        "The column language decides the language of invoices and reminders; empty means English.",
    ),
    (
        "payment_term_days",
        "no",
        "whole number from 0 to 120",
        14,
        "If the column payment_term_days is empty, the payment term is 14 days.",
    ),
    (
        "hourly_rate",
        "no",
        "amount with a point",
        "85.00",
        "The hourly rate is used for projects that have none of their own.",
    ),
    ("currency", "no", "three capital letters", "EUR", "An empty currency means the currency of the account."),
    ("tags", "no", "words divided by |", "retail|north", "A customer can have up to 10 tags."),
    ("notes", "no", "up to 1,000 characters", "pays by transfer", "Notes are never printed on an invoice."),
)

STEPS: tuple[Row, ...] = (
    ("Step", "What to do"),
    (1, "Download the template under Customers, Import and fill in one row per customer."),
    (2, "Leave the names of the columns as they are and do not merge cells."),
    (3, "Upload the file and look at the preview; rows with errors are marked red."),
    (4, "Start the import; about 1,000 customers are imported per minute."),
    (5, "Read the report at the end and correct the rows that were left out."),
)


def write_pptx(path: Path, slides: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    """Slides with a title and one paragraph a point."""
    deck = Presentation()
    for title, points in slides:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text_frame.text = "\n".join(points)
    deck.save(str(path))
    settle(path)


def main() -> None:
    """Write both files."""
    HELP_CENTRE.mkdir(exist_ok=True)
    write_pptx(HELP_CENTRE / "getting-started.pptx", SLIDES)
    write_xlsx(HELP_CENTRE / "importing-customers.xlsx", [("Columns", COLUMNS), ("Steps", STEPS)])


if __name__ == "__main__":
    main()
