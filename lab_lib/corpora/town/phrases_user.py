"""What users say: the raw phrases. `wording_user` puts them together. The first of a list is the likeliest.

`{slot}` is a place for a value (see `text.realise`); `{np}`, `{vp}`, `{short}` and `{details}` are places for phrases.
"""

from __future__ import annotations

GREETINGS = ("", "", "Hi,", "Hello,", "Hello there!", "Good morning,", "Good evening,", "Hi!", "Hey,")
SMALL_TALK = (
    "", "", "", "We are coming to Tolvey for the first time.", "I am visiting my sister in Tolvey soon.",
    "I am planning a little trip.", "My friends and I will be in town this week.",
    "I have a few days off and would like to see Tolvey.", "It is my mother's birthday.",
    "We are on our way to the coast.", "I hope you can help me.", "I just missed my bus, so I am in a hurry.",
)  # fmt: skip
ONLY_GREETINGS = (
    "Hello, can you help me?", "Hi there!", "Good morning! I need some help with my trip to Tolvey.",
    "Hello, is this the tourist office?", "Hi, I have a few questions.",
)  # fmt: skip
OPENERS = (
    "I am looking for {np}.", "I need {np}.", "Can you find me {np}?", "Could you recommend {np}?", "Is there {np}?",
    "I would like to find {np}.", "Do you know {np}?", "Please find me {np}.", "I'm trying to find {np}.",
    "We are looking for {np}.", "Can you help me find {np}?",
)  # fmt: skip
RIDE_OPENERS = (
    "I need {np}.", "I am looking for {np}.", "Can you find me {np}?", "I would like {np}, please.",
    "Could you get me {np}?", "We need {np}.", "I want to take {np}.", "Can you help me with {np}?",
)  # fmt: skip
MORE_OPENERS = (
    "I also need {np}.", "I am also looking for {np}.", "Can you also find me {np}?", "Next I need {np}.",
    "Then I would like {np}.", "We could also use {np}.", "Could you look for {np} as well?",
    "Besides that I want {np}.",
)  # fmt: skip
NAMED_OPENERS = (
    "I am looking for {a} {kind} called {name}.", "Can you tell me about {name}?", "Do you know {name}?",
    "I have heard about {name}. What can you tell me about it?", "A friend told me about {name}. Do you know it?",
    "I need some information about {a} {kind}, {name}.",
)  # fmt: skip
# How a plan's opening reacts to the system's last question.
AFTER_BOOKING_OFFER = ("No booking for now, thanks.", "No thanks, no booking needed.", "Not yet, thank you.")
AFTER_MORE = ("Yes, please.", "Yes.", "Yes, there is.", "Thanks.", "Yes, one more thing.", "Actually, yes.")
AFTER_REFUSAL = ("No problem.", "Oh, OK.", "Too bad.", "All right, never mind.", "I understand.", "Fair enough.")
AFTER_OTHER = ("Thanks!", "Great, thank you.", "Thank you.", "Perfect, thanks.", "Wonderful.", "Very good.", "")

NOUNS = {
    "restaurant": ("restaurant", "place to eat", "place for dinner", "restaurant"),
    "hotel": ("place to stay", "place to sleep", "place to spend the night"),
    "attraction": ("place to visit", "attraction", "nice place to see"),
}
AREAS = ("in the {area} area", "near the {area}", "around the {area}", "in the {area} area")
SAME_AREA = ("in the same area as the {earlier}", "near the {earlier}", "close to the {earlier}")
EXTRAS = {
    "parking": ("free parking", "free parking", "a place for our car"),
    "internet": ("wifi", "internet", "free wifi"),
}
# "it should ..."
VERBS = {
    "area": ("be in the {area} area", "be near the {area}"),
    "food": ("serve {food} food", "have {food} food", "offer {food} dishes"),
    "pricerange": ("be {pricerange:adjective}", "be in the {pricerange} price range"),
    "type": ("be {a} {type}",),
    "stars": ("have {stars} stars",),
    "parking": ("have free parking", "have parking"),
    "internet": ("have wifi", "have free wifi", "have internet"),
}
# "I want to ..."
RIDES = {
    "departure": ("leave from {departure}", "start from {departure}", "depart from {departure}"),
    "destination": ("go to {destination}", "get to {destination}", "travel to {destination}"),
    "day": ("travel on {day}", "go on {day}"),
    "leaveat": ("leave after {leaveat}", "leave at {leaveat} or later"),
    "arriveby": ("arrive by {arriveby}", "be there by {arriveby}"),
}
RIDE_PARTS = {
    "departure": ("from {departure}",),
    "destination": ("to {destination}",),
    "day": ("on {day}", "this {day}"),
    "leaveat": ("leaving after {leaveat}", "after {leaveat}"),
    "arriveby": ("arriving by {arriveby}", "that arrives by {arriveby}", "that gets there by {arriveby}"),
}
SHORTS = {
    "area": ("the {area} area", "something near the {area}"),
    "food": ("{food} food", "{food} dishes", "something {food}"),
    "pricerange": ("something {pricerange:adjective}", "the {pricerange} price range"),
    "type": ("{a} {type}",),
    "stars": ("a place with {stars} stars",),
    "day": ("{day}",),
    "leaveat": ("any time after {leaveat}", "a train after {leaveat}"),
    "arriveby": ("a train that arrives by {arriveby}", "one that gets there by {arriveby}"),
}
TELLS = ("{short}, please.", "I would like {short}.", "I would prefer {short}.", "{short}.", "{short} would be nice.")
TELL_VERBS = ("It should {vp}.", "It has to {vp}.", "I would like it to {vp}.")
RIDE_TELLS = ("I want to {vp}.", "I would like to {vp}.", "I need to {vp}.", "We want to {vp}.", "I have to {vp}.")
ADDS = ("It should also {vp}.", "I also need it to {vp}.", "It has to {vp} as well.", "Oh, and it should {vp}.",
        "I forgot to say that it should {vp}.")  # fmt: skip
RIDE_ADDS = ("I also want to {vp}.", "Oh, and I need to {vp}.", "I would like to {vp}.", "I should {vp}.")
# Questions about a venue that was just offered, and remarks on what was said of it.
CHECKS = {
    "area": ("is it in the {area} area?", "is it near the {area}?"),
    "food": ("does it serve {food} food?", "do they have {food} food?"),
    "pricerange": ("is it {pricerange:adjective}?", "is it in the {pricerange} price range?"),
    "type": ("is it {a} {type}?",),
    "stars": ("does it have {stars} stars?",),
    "parking": ("does it have free parking?", "can we park there for free?"),
    "internet": ("does it have wifi?", "is there wifi?", "do they have internet?"),
}
NOTES = ("Good, I wanted {short}.", "{short} is just what I wanted.", "Very good, we need {short}.")
OTHERS = ("Do you have another one?", "Is there anything else like that?", "Hmm, what else do you have?",
          "Are there other options?", "Could you suggest a different one?")  # fmt: skip
INSTEADS = (
    "How about {short}?", "What about {short} instead?", "Then {short} would be fine.", "OK, can you try {short}?",
    "Could you check {short} instead?", "In that case I would take {short}.", "Is there {short}?",
)  # fmt: skip
RETHINKS = (
    "Actually, I would prefer {short}.", "Sorry, I changed my mind. I would rather have {short}.",
    "On second thoughts, can we look for {short}?", "Hmm, could we try {short} instead?",
    "Wait, my wife would rather have {short}.", "Oh no, I made a mistake. I need {short}.",
)  # fmt: skip
DAY_RETHINKS = (
    "Actually, I have to travel on {day}.", "Sorry, I mixed up the days. It has to be {day}.",
    "On second thoughts, is there one on {day}?", "Hmm, could we look at {day} instead?", "Wait, I meant {day}.",
)  # fmt: skip
INDIFFERENT = (
    "I have no preference.", "I do not mind.", "It does not matter.", "Any {label} is fine.",
    "No, not really.", "Whatever you suggest.", "I don't care about the {label}.", "No preference.",
)  # fmt: skip
LABELS = {"food": "kind of food", "area": "area", "pricerange": "price range", "type": "type"}

ACCEPTS = ("That sounds good.", "Great.", "Sounds nice.", "Perfect.", "That works for me.", "Lovely.", "Good choice.")
CHOICES = ("{name} sounds good.", "Let us take {name}.", "I will go for {name}.", "I would like {name}.",
           "I think I prefer {name}.")  # fmt: skip
ITEM = {"restaurant": ("a table", "it"), "hotel": ("a room", "it"), "train": ("seats", "it")}
BOOKS = (
    "Please book {item} {details}.", "Can you book {item} {details}?", "I would like to book {item} {details}.",
    "Could you reserve {item} {details}?", "Please go ahead and book {item} {details}.",
)  # fmt: skip
DETAILS = {
    "bookpeople": ("for {bookpeople} {people}", "for {bookpeople} {people}", "for {bookpeople:word} {people}"),
    "bookday": ("on {bookday}",),
    "booktime": ("at {booktime}",),
    "bookstay": ("for {bookstay} {nights}", "for {bookstay:word} {nights}"),
}
SAME_DETAILS = {"bookpeople": "for the same number of people", "bookday": "for the same day"}
DETAIL_ANSWERS = ("{details}, please.", "{details}.", "It is {details}.", "{details}, thanks.")
RETRIES = ("How about {bookday}?", "Could you try {bookday} instead?", "Then {bookday}, please.",
           "Would {bookday} be possible?", "Let us do {bookday} then.")  # fmt: skip
REBOOKS = {
    "bookpeople": ("Sorry, we will be {bookpeople} {people} after all. Can you change the booking?",
                   "Could you change that to {bookpeople} {people}?", "Oh, can you make it {bookpeople} {people}?"),
    "booktime": ("Could you move it to {booktime}?", "Sorry, can we make it {booktime} instead?",
                 "I just saw that {booktime} would be better. Can you change it?"),
    "bookstay": ("Could you make it {bookstay} {nights} instead?",
                 "Sorry, we can only stay {bookstay} {nights}. Can you change the booking?"),
}  # fmt: skip
ASKS = ("Can I have {facts}?", "Could you tell me {facts}?", "I need {facts}, please.", "I also need {facts}.",
        "Please give me {facts}.", "May I have {facts}, please?", "I would like to know {facts}.")  # fmt: skip
FACT_NOUNS = {
    "phone": ("the phone number", "their phone number"),
    "address": ("the address", "the exact address"),
    "postcode": ("the postcode", "the postcode"),
    "area": ("the area", "the part of town"),
    "pricerange": ("the price range",),
    "food": ("the kind of food they serve", "the type of food"),
    "stars": ("the number of stars", "the star rating"),
    "entrancefee": ("the entrance fee", "the price of admission"),
    "openhours": ("the opening hours", "the opening times"),
    "price": ("the price of a ticket", "the ticket price"),
    "duration": ("the travel time", "the length of the journey"),
}
OFF_TOPIC_LEADS = ("By the way,", "One more thing:", "Before I forget:", "Oh,", "Another question:", "Just wondering,")
OFF_TOPICS = (
    "what will the weather be like?", "can I rent a bicycle somewhere?", "do you know a good dentist?",
    "who won the football match yesterday?", "where can I change some money?", "can you order flowers for me?",
    "is there a pharmacy that is open at night?", "can you book me a flight to Lisbon?",
    "how do I get a parking permit?", "could you translate a letter for me?", "what is the capital of Peru?",
    "can you wake me up tomorrow at seven?", "do you sell concert tickets?", "where can I buy a phone charger?",
    "can you recommend a hairdresser?", "is there a bus to the airport?", "what time does the library close?",
    "can you tell me a joke?", "where can I leave my dog for a day?", "does the town have a laundrette?",
)  # fmt: skip
THANKS = ("Thanks a lot.", "Thank you, that helps.", "Great, thank you very much.", "Thank you so much!", "Brilliant.")
BYES = {
    "askbook": ("No booking, thanks. That is all.", "No, I just wanted to know. Thank you, goodbye!",
                "Not today, thanks. That is everything."),
    "reqmore": ("No, that is all. Thank you!", "No thanks, that is everything.", "That is all, thanks. Bye!",
                "No, you have been very helpful. Goodbye!", "Nothing else, thank you."),
    "refuse": ("No problem. That is all, thanks.", "Oh, OK. Then I have everything I need. Goodbye!",
               "Never mind. Thank you for your help!", "I see. Thanks anyway, bye!"),
    "": ("Thanks, that is all I need.", "Thank you for your help. Goodbye!", "Great, thanks. Bye!",
         "Perfect, that is everything. Thank you!", "Thank you, have a good day!", "Wonderful, that is all."),
}  # fmt: skip
