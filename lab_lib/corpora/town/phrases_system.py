"""What the system says while searching: the raw phrases. `wording_system` puts them together.

The first of a list is the likeliest. Templates avoid hyphens and `a` before a slot that may start with a vowel,
so that a reply whose values are replaced by slot names stays good English whatever the values are.
"""

from __future__ import annotations

PLAIN = {
    "greet": (
        "Hello! How can I help you?",
        "Welcome to Tolvey! What can I do for you?",
        "Hello! What are you looking for?",
        "Hi! What do you need?",
    ),
    "refuse": (
        "I am sorry, I cannot help with that. I can look for restaurants, hotels, attractions, trains and taxis.",
        "I am afraid that is outside of what I know. I can help with restaurants, hotels, attractions, trains and "
        "taxis.",
        "Sorry, I only know about restaurants, hotels, attractions, trains and taxis in Tolvey. What else can I do?",
        "Unfortunately I have no information about that. Is there a restaurant, hotel, attraction, train or taxi I "
        "can find for you?",
    ),
    "bye": (
        "You are welcome. Enjoy your stay in Tolvey!",
        "Thank you and goodbye!",
        "You are welcome. Have a nice day!",
        "Glad to help. Goodbye and have a good trip!",
        "Happy to help. Enjoy your visit!",
        "It was a pleasure. Goodbye!",
        "Thanks for asking us. See you in Tolvey!",
    ),
    "welcome": (
        "You are welcome. Is there anything else I can help you with?",
        "My pleasure. Can I do anything else for you?",
        "Glad I could help. Do you need anything else?",
    ),
    "reqmore": (
        "Is there anything else I can help you with?",
        "Can I do anything else for you?",
        "Do you need anything else?",
        "Anything else today?",
    ),
}
ASK_MORE = (
    "Would you like more information about it?",
    "Do you need the address or the phone number?",
    "What would you like to know about it?",
)
# Said before a question or an offer, one time in four.
ACKNOWLEDGEMENTS = ("Sure.", "Certainly.", "All right.", "Let me see.", "Of course.", "Good.")
QUESTIONS = {
    "food": (
        "What kind of food would you like?",
        "Is there a type of food you prefer?",
        "What kind of cuisine do you have in mind?",
        "What do you feel like eating?",
        "Any favourite kind of food?",
    ),
    "area": (
        "Which part of town would you like?",
        "Do you have an area in mind?",
        "Which area do you prefer?",
        "Is there a part of town you would like it to be in?",
        "Should it be near the harbour, the station or somewhere else?",
    ),
    "pricerange": (
        "What price range would you like?",
        "Do you have a price range in mind?",
        "How much would you like to spend?",
        "Should it be cheap, moderate or expensive?",
    ),
    "hotel type": (
        "Would you prefer a hotel or a guesthouse?",
        "Should it be a hotel or a guesthouse?",
        "Do you want a hotel or a guesthouse?",
    ),
    "attraction type": (
        "What type of attraction are you interested in?",
        "What would you like to see?",
        "Do you have a type of place in mind, a museum or a park perhaps?",
    ),
    "departure": (
        "Where will you be leaving from?",
        "Where do you want to start?",
        "Where are you departing from?",
    ),
    "destination": (
        "Where would you like to go?",
        "What is your destination?",
        "Where are you travelling to?",
    ),
    "day": ("On which day would you like to travel?", "What day are you travelling?", "Which day suits you?"),
    "leaveat": (
        "When would you like to leave or arrive?",
        "What time would you like to travel?",
        "Do you have a departure or arrival time in mind?",
    ),
}
COUNTS = {
    "restaurant": ("I know {choice} places like that.", "There are {choice} restaurants to choose from.",
                   "I have {choice} options for you."),
    "hotel": ("I have {choice} places like that.", "There are {choice} places to stay that match.",
              "I found {choice} options."),
    "attraction": ("There are {choice} places like that.", "I have {choice} suggestions for you.",
                   "Tolvey has {choice} of those."),
    "train": ("I have {choice} trains so far.", "So far {choice} trains fit."),
}  # fmt: skip
LEADS = {
    "known": ("", "Yes, I know it.", "Yes, I can tell you about it."),
    "one": ("", "There is one place that fits.", "I found a match for you.", "Yes, there is exactly one."),
    "many": (
        "I found {choice} places that fit.",
        "There are {choice} of them.",
        "",
        "I have {choice} options.",
    ),
    "one train": ("", "There is one train that fits.", "I found a train for you."),
    "many train": ("", "There are {choice} trains that fit.", "I found {choice} trains."),
}
OFFERS = {
    "restaurant": (
        "{name} serves {food} food in the {area} area.",
        "{name} is in the {area} area, serves {food} food and is in the {pricerange} price range.",
        "How about {name}? It serves {food} food and is in the {area} area.",
        "I recommend {name} in the {area} area. Their prices are {pricerange}.",
        "I would suggest {name}, which serves {food} food.",
        "You could try {name} in the {area} area. The food is {food} and the prices are {pricerange}.",
        "In the {area} area there is {name}, with {food} food.",
    ),
    "hotel": (
        "{name} is a {stars} star {type} in the {area} area.",
        "{name} is a {type} in the {pricerange} price range in the {area} area.",
        "How about {name}? It has {stars} stars and is in the {area} area.",
        "I recommend {name}, a {stars} star {type} in the {pricerange} price range.",
        "I would suggest {name} in the {area} area.",
        "You could stay at {name}, a {type} with {stars} stars.",
        "In the {area} area there is {name}. It is a {type} and the prices are {pricerange}.",
    ),
    "attraction": (
        "{name} is a {type} in the {area} area.",
        "I recommend {name} in the {area} area.",
        "How about {name}? It is a {type} in the {area} area.",
        "You could visit {name}, a {type} in the {area} area.",
        "I would suggest {name}. It is in the {area} area.",
        "In the {area} area there is {name}.",
        "Many people like {name}, a {type} in the {area} area.",
    ),
    "train": (
        "{trainid} leaves {departure} at {leaveat} and arrives in {destination} at {arriveby}.",
        "{trainid} leaves at {leaveat} and arrives at {arriveby}.",
        "Train {trainid} leaves on {day} at {leaveat} and gets to {destination} by {arriveby}.",
        "I suggest {trainid}, leaving at {leaveat} and arriving at {arriveby}.",
        "You can take {trainid} at {leaveat}. It is in {destination} at {arriveby}.",
        "The best one is {trainid}. It leaves at {leaveat} and you are in {destination} by {arriveby}.",
        "On {day} there is {trainid} from {departure} at {leaveat}, arriving at {arriveby}.",
    ),
}
SELECTS = (
    "Both {name} and {name2} fit. Which one would you like?",
    "There are {choice} options, {name} and {name2}. Which one do you prefer?",
    "I can suggest {name} or {name2}. Do you have a preference?",
    "You can choose between {name} and {name2}.",
    "That leaves {name} and {name2}. Shall I tell you more about one of them?",
    "{name} and {name2} are what you are looking for. Which one sounds better?",
)
OTHERS = (
    "There is also {name} in the {area} area.",
    "Another one is {name} in the {area} area.",
    "Then how about {name}? It is in the {area} area.",
    "You might like {name} instead. It is in the {area} area.",
)
CONFIRMATIONS = (
    "Yes, {name} fits.",
    "Yes, {name} is what you are looking for.",
    "That is right. {name} is a good choice.",
    "Yes. I think {name} has everything you need.",
)
NO_OFFERS = {
    "restaurant": (
        "I am sorry, there are no {food} restaurants in the {area} area. Would you like to change something?",
        "I am sorry, I have no restaurant like that. Could you try another kind of food or area?",
        "Unfortunately no restaurant matches that. Is there anything you could change?",
        "I am afraid there is nothing in the {pricerange} price range that fits. Shall I try something else?",
    ),
    "hotel": (
        "I am sorry, there is no place like that in the {area} area. Would you like to change something?",
        "I am sorry, I have no place to stay like that. Could you try something else?",
        "Unfortunately nothing matches all of your wishes. Is there one you could give up?",
        "I am afraid there is nothing in the {pricerange} price range that fits. Shall I try something else?",
    ),
    "attraction": (
        "I am sorry, there is no {type} in the {area} area. Would you like to try another area or type?",
        "I am sorry, I have nothing like that. Shall I look for something else?",
        "Unfortunately there is no such place. Could you try another part of town?",
    ),
    "train": (
        "I am sorry, there is no train at that time on {day}. Could you travel at another time?",
        "I am sorry, there are no trains that match. Would another time be possible?",
        "Unfortunately no train from {departure} to {destination} fits. Can you change the time?",
    ),
}
