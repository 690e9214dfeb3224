"""Invented e-mails of five kinds: templates with gaps, filled by a seeded generator.

No real e-mail is in here, nor anything taken from a data set. What a model learns from this is how these
templates are worded; real letter boxes are far more varied.
"""

from __future__ import annotations

import random

KINDS = ("invoice", "meeting", "newsletter", "support", "spam")

GAPS: dict[str, list[str]] = {
    "name": ["Anna", "Jonas", "Priya", "Mateo", "Yuki", "Fatima", "Liam", "Zoë", "Olga", "Samuel", "Chloé"],
    "team": ["design", "sales", "platform", "research", "finance", "marketing", "hiring", "operations"],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "tomorrow", "next week", "the 14th"],
    "time": ["9:00", "10:30", "noon", "2 pm", "15:00", "4:45 pm", "8 am"],
    "month": ["January", "March", "April", "June", "August", "October", "December"],
    "amount": ["$49.00", "€1,250.00", "£89.99", "$310", "1.480,00 EUR", "CHF 75.50", "$12,400"],
    "number": ["2024-118", "#55301", "INV-0092", "7741", "A-1203", "10-4477", "R2289"],
    "product": ["the app", "the web shop", "my account", "the printer", "the dashboard", "the router"],
    "topic": ["gardening", "cycling", "open source", "local food", "astronomy", "home cooking"],
    "prize": ["a brand new phone", "$5,000", "a luxury cruise", "two million dollars", "a gift card"],
    "pill": ["miracle pills", "weight loss tea", "replica watches", "crypto signals", "cheap meds"],
    "place": ["room 4", "the small office", "a video call", "the café downstairs", "the main hall", "Berlin"],
    "error": ["error 503", "a blank page", "\"access denied\"", "a spinning wheel", "error code 0x80"],
}  # fmt: skip

GREETINGS = [
    "Hi {name},",
    "Hello {name},",
    "Dear {name},",
    "Hey,",
    "Good morning,",
    "Hello,",
    "Dear customer,",
    "",
]
CLOSINGS = [
    "Best regards, {name}",
    "Thanks, {name}",
    "Cheers",
    "Kind regards",
    "Best, {name}",
    "See you, {name}",
    "",
]

#: What may stand in an e-mail of any kind.
NEUTRAL = [
    "I hope you are doing well.",
    "Please let me know if you have any questions.",
    "Sorry for the late reply.",
    "You can reach me on {day}.",
    "Thank you for your patience.",
    "Just a quick note.",
    "Have a nice weekend!",
    "As mentioned before, this will not take long.",
    "Feel free to forward this.",
    "I am out of office until {day}.",
]

SENTENCES: dict[str, list[str]] = {
    "invoice": [
        "Please find attached invoice {number} for {month}.",
        "The total amount due is {amount}.",
        "Payment is due within 14 days of the invoice date.",
        "Your receipt for order {number} is below.",
        "We have received your payment of {amount}, thank you.",
        "Our records show that invoice {number} is still unpaid.",
        "Kindly transfer {amount} to the bank account stated on the bill.",
        "Your subscription was renewed and {amount} was charged to your card.",
        "This is a payment reminder for {amount}.",
        "VAT is included; the billing address is on the second page.",
        "Purchase order {number} has been billed in full.",
        "The credit note for {month} will be sent with the next statement.",
        "Your order {number} has been shipped, the total was {amount}.",
        "The refund of {amount} will reach your account in five days.",
    ],
    "meeting": [
        "Can we meet on {day} at {time}?",
        "I moved our call to {day}, {time}.",
        "The agenda for the {team} meeting is attached.",
        "Let's get together in {place} to plan the next sprint.",
        "Are you available for a short call on {day}?",
        "Please accept the calendar invite for {time}.",
        "The weekly {team} sync starts at {time} in {place}.",
        "Could we reschedule to {day}? Something came up.",
        "Who takes the minutes this time?",
        "I booked {place} from {time} for the workshop.",
        "Looking forward to discussing the {team} roadmap with you.",
        "Shall we have lunch on {day} and talk it through?",
        "The interview with the candidate is on {day} at {time}.",
        "Please bring your slides; we have thirty minutes each.",
    ],
    "newsletter": [
        "Welcome to our {month} newsletter about {topic}.",
        "In this issue: five ideas for {topic}, and an interview with {name}.",
        "Read more on our blog.",
        "Here is what happened in the {topic} community this month.",
        "You receive this e-mail because you subscribed to our updates.",
        "Unsubscribe at any time with the link below.",
        "Our readers' favourite story of {month} was about {topic}.",
        "Save the date: our {topic} festival opens in {month}.",
        "New on the podcast: a conversation about {topic}.",
        "View this e-mail in your browser.",
        "This week's digest brings you the best articles on {topic}.",
        "Follow us for daily news on {topic}.",
        "Our spring catalogue is out, with a chapter on {topic}.",
        "Thank you for being one of our readers.",
    ],
    "support": [
        "I cannot log in to {product} since {day}.",
        "When I open {product} I get {error}.",
        "Could you please reset my password?",
        "{product} keeps crashing after the last update.",
        "I have tried turning it off and on again, without success.",
        "How do I change the e-mail address of {product}?",
        "Your ticket {number} has been received by our support team.",
        "The problem with {product} still exists; it shows {error}.",
        "Please see the screenshot of {error}.",
        "The download stops at 80 percent and then fails.",
        "It worked fine until {day}, now it does not start any more.",
        "Is there a workaround until the bug is fixed?",
        "We are looking into the issue with {product}.",
        "My device is not recognised and the settings are gone.",
    ],
    "spam": [
        "CONGRATULATIONS!!! You have won {prize}!",
        "Click here NOW to claim {prize}.",
        "Limited offer: {pill}, 90% OFF today only!!!",
        "Dear friend, I am a prince and need your help to move {amount} million.",
        "You were selected for {prize}, act fast before it expires.",
        "Make money from home, no experience, $$$ guaranteed.",
        "100% FREE, no credit card, no risk, click the link.",
        "Your account will be suspended unless you verify your password here.",
        "Lowest prices on {pill}, order now!!!",
        "This is not a scam, reply with your bank details to receive {prize}.",
        "Singles in your area want to meet you tonight.",
        "Double your bitcoin in 24 hours with {pill}.",
        "URGENT: confirm your identity to unlock {prize}.",
        "Doctors hate this one weird trick with {pill}.",
    ],
}

#: Written by hand, in other words than the templates, to see what the model makes of the unexpected.
WRITTEN: list[tuple[str, str]] = [
    ("invoice", "Attached is the bill for last month's consulting. The amount is due by the 30th."),
    ("invoice", "We could not charge your card. Please update your payment details for order 8812."),
    ("invoice", "Thank you for your purchase! Receipt: 2 books, total $31.40, paid by card."),
    ("invoice", "Second reminder: the invoice from March is open. Please transfer the amount soon."),
    ("meeting", "Would Thursday afternoon suit you for a call? I would like to go over the agenda."),
    ("meeting", "The Monday stand-up is cancelled, let's meet at 3 pm in the kitchen instead."),
    ("meeting", "Invitation: quarterly planning, Friday 10:00, main hall. Please accept or decline."),
    ("meeting", "Running ten minutes late, please start the workshop without me and take minutes."),
    ("newsletter", "The autumn issue of our cooking magazine is here! Read on, or try the podcast."),
    ("newsletter", "Weekly digest: the most read articles of our community. Unsubscribe by the link."),
    ("newsletter", "Dear readers, this month we look back at the festival and forward to a meteor."),
    ("newsletter", "News from the cycling club: new routes, an interview, dates for your calendar."),
    ("support", "The app shows an error whenever I try to upload a photo, and then it crashes."),
    ("support", "I forgot my password and the reset link does not work. Could you help me to log in?"),
    ("support", "Since the update my printer is no longer recognised. I already reinstalled the driver."),
    ("support", "We received your ticket and are looking into why the page stays blank."),
    ("spam", "You are our lucky winner! Claim your free phone now, just click the link!!!"),
    ("spam", "Earn $5000 a week from home, guaranteed, no risk. Order now and get 90% off."),
    ("spam", "Dear friend, I need your help with ten million dollars. Reply with your bank details."),
    ("spam", "URGENT!!! Your account is suspended. Verify your password here within 24 hours."),
]  # fmt: skip


def write_emails(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Return ``count`` e-mails and the index in :data:`KINDS` of each, as many of every kind."""
    source = random.Random(seed)
    emails, kinds = [], []
    for index in range(count):
        kind = index % len(KINDS)
        emails.append(_write(source, KINDS[kind]))
        kinds.append(kind)
    return emails, kinds


def _write(source: random.Random, kind: str) -> str:
    body = source.sample(SENTENCES[kind], source.randint(1, 4))
    body += source.sample(NEUTRAL, source.randint(0, 2))
    source.shuffle(body)
    parts = [source.choice(GREETINGS), " ".join(body), source.choice(CLOSINGS)]
    text = "\n\n".join(part for part in parts if part)
    for gap, words in GAPS.items():
        while f"{{{gap}}}" in text:
            text = text.replace(f"{{{gap}}}", source.choice(words), 1)
    if source.random() < 0.15:
        text = text.lower()
    elif source.random() < 0.1:
        text = text.upper()
    return text
