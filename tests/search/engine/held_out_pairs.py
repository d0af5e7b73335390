"""Pairs labelled like the golden ones, but never looked at while the rules were made: what the figures are worth."""

CONTRADICT = [
    ("The lighthouse is 48 metres tall.", "The lighthouse is 52 metres tall."),
    ("Moby-Dick was published in 1851.", "Moby-Dick was published in 1849."),
    ("The new policy applies to contractors.", "The new policy does not apply to contractors."),
    ("The API returns at most 100 results per page.", "The API returns 250 results per page."),
    ("The release is planned for Monday.", "The release is planned on Thursday."),
    ("Smoking is permitted on the terrace.", "Smoking is prohibited on the terrace."),
    ("The glacier has shrunk since 1990.", "The glacier has grown since 1990."),
    ("Nobody survived the shipwreck.", "Two sailors survived the shipwreck."),
    ("The treaty was signed in Vienna.", "The treaty was signed in Geneva."),
    ("Our office has a staff of 40 people.", "Our office has a staff of sixty people."),
    ("The compression is lossless.", "The compression is lossy."),
    ("The committee approved the budget for the school.", "The committee rejected the budget for the school."),
]

AGREE = [
    ("The lighthouse is 48 metres tall.", "The height of the lighthouse is 48 m."),
    ("Smoking is prohibited on the terrace.", "You must not smoke on the terrace."),
    ("The meeting starts at 2 pm.", "The meeting begins at 14:00."),
    ("The whole crew drowned in the storm.", "In the storm all of the crew drowned."),
    ("The glacier has lost half of its ice.", "Half of the ice of the glacier is gone."),
    ("The committee approved the budget.", "The budget was approved by the committee."),
    ("Passwords expire after 90 days.", "A password expires after ninety days."),
]

COMPLEMENT = [
    ("The lighthouse was built of granite blocks.", "The lighthouse sends two flashes every ten seconds."),
    ("Penguins breed on the ice in winter.", "Penguins hunt fish and krill under water."),
    ("The encoder writes one page to each frame.", "The encoder adds parity frames for repair."),
    ("Sourdough bread needs a long rest before baking.", "Sourdough bread keeps longer than bread with yeast."),
]

NOTHING = [
    ("The lighthouse in Brest is 48 metres tall.", "The lighthouse in Dover is 52 metres tall."),
    ("The senior plan has 20 days of leave.", "The junior plan has 25 days of leave."),
    ("In March the shop sold 300 bicycles.", "In April the shop sold 450 bicycles."),
    ("The kitchen door is locked.", "The window is not locked in the morning."),
    ("Revenue grew in the first quarter.", "Revenue fell in the second quarter."),
    ("The old mill has 3 floors.", "The new mill has 5 floors."),
    ("Who founded the company in 1969?", "The company was founded in 1971."),
    ("The river is deep here.", "The lake is shallow there."),
    ("Penguins cannot fly.", "Pigeons can fly."),
    ("He would not sign the letter.", "She signed the letter."),
    ("Room 12 seats 40 people.", "Room 14 seats 60 people."),
    ("The child ate two apples.", "The recipe needs six apples."),
]
