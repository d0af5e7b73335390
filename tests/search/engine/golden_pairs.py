"""Pairs of sentences as two memories may hold them, labelled by hand: contradict, agree, complement or nothing.

The rules were tuned on these; held_out_pairs.py has some that they were not.
"""

CONTRADICT = [
    ("The bridge is 300 metres long.", "The bridge is 310 metres long."),
    ("The museum opens at 9:00 on weekdays.", "On weekdays the museum opens at 10:30."),
    ("The company was founded in 1969 in Boston.", "The company was founded in 1971 in Boston."),
    ("The club has twelve members.", "The club has 15 members."),
    ("The server listens on port 8080.", "The server listens on port 9000."),
    ("The contract was signed on 4 May 2021.", "The contract was signed on 6 May 2021."),
    ("Password reset by e-mail is enabled for guests.", "Password reset by e-mail is disabled for guests."),
    ("The vaccine is safe for children.", "The vaccine is not safe for children."),
    ("Backups are encrypted at rest.", "Backups are not encrypted at rest."),
    ("The trial succeeded in reducing pain.", "The trial failed in reducing pain."),
    ("Exports of wheat increased last year.", "Exports of wheat decreased last year."),
    ("The battery lasts about 10 hours.", "The battery lasts 4 hours."),
    ("The licence costs $200 per year.", "The licence costs $350 per year."),
    ("The deadline for applications is 1 March.", "The deadline for applications is 15 March."),
    ("The whale was never caught.", "The whale was caught."),
    ("Remote work is allowed on Fridays for all staff.", "Remote work is forbidden on Fridays for all staff."),
    ("Water covers 71 percent of the Earth.", "Water covers 60% of the Earth."),
    ("The reactor runs at 350 °C.", "The reactor runs at 290 °C."),
]

AGREE = [
    ("The bridge is 300 metres long.", "The bridge has a length of 300 m."),
    ("The company was founded in 1969 in Boston.", "Founded in 1969, the company comes from Boston."),
    ("Backups are encrypted at rest.", "All backups are encrypted while at rest."),
    ("The whale swam towards the ship.", "The white whale swam toward the ship."),
    ("The vaccine is safe for children.", "For children, the vaccine is safe."),
    ("The shop is not open on Sundays.", "The shop is closed on Sundays."),
    ("The battery lasts about 10 hours.", "The battery lasts ten hours."),
    ("The marathon is 42 km long.", "The marathon is 42,000 metres long."),
    ("Not only the captain but the crew saw the whale.", "The captain and the crew saw the whale."),
    ("Invoices are paid within thirty days.", "We pay invoices within 30 days."),
    ("The library lends books to every student.", "Every student may borrow books from the library."),
]

COMPLEMENT = [
    ("The whale was hunted for its oil in the nineteenth century.", "The whale feeds on squid in deep water."),
    ("The database keeps a log of every change.", "The database is copied to a second server each night."),
    ("The tower was designed by Gustave Eiffel.", "The tower is painted every seven years against rust."),
    ("The library lends books to every student.", "The library closes its reading room in August."),
    ("Coffee grows on shrubs in the shade of tall trees.", "Coffee beans are roasted before they are ground."),
]

NOTHING = [
    ("Alice has three cats.", "Bob has five cats."),
    ("Chapter 3 has 40 pages.", "Chapter 4 has 25 pages."),
    ("In 2019 revenue was 12 million dollars.", "In 2020 revenue was 15 million dollars."),
    ("The meeting in Paris lasted 3 hours.", "The meeting in Rome lasted 5 hours."),
    ("Is the vaccine safe for children?", "The vaccine is not safe for children."),
    ("The white whale swam before him.", "Interest rates rose to 5 percent."),
    ("If the pump fails, the alarm is not silent.", "The alarm is silent."),
    ("The first ship was not large.", "A large dog slept in the garden."),
    ("More than 10 people came to the talk.", "The stadium holds 90,000 people."),
    ("The adult ticket costs 12 euros.", "The child ticket costs 6 euros."),
    ("Version 2 removed the old parser.", "Version 3 added the old parser."),
    ("He said nothing about the treaty.", "The treaty of Utrecht ended the war."),
    ("The north door is open.", "The garden has a pond."),
    ("The train to Leeds leaves at 9:15.", "The train to York leaves at 10:40."),
]

# Sentences that agree or say nothing to each other must never be shown as contradictions.
PAIRS = [
    (label, one, other)
    for label, pairs in (
        ("contradict", CONTRADICT), ("agree", AGREE), ("complement", COMPLEMENT), ("", NOTHING)
    )
    for one, other in pairs
]  # fmt: skip
