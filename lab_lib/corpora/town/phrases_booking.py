"""What the system says about bookings, facts and taxis: the raw phrases, as in `phrases_system`."""

from __future__ import annotations

ASK_BOOKING = {
    "restaurant": (
        "Would you like me to book a table?",
        "Shall I reserve a table for you?",
        "Would you like a reservation?",
        "Do you want me to book it?",
    ),
    "hotel": (
        "Would you like me to book a room?",
        "Shall I book it for you?",
        "Would you like to make a reservation?",
        "Do you want me to reserve a room there?",
    ),
    "train": (
        "Would you like me to book tickets?",
        "Shall I book it for you?",
        "Do you want to buy tickets for it?",
        "Would you like seats on it?",
    ),
}
BOOKING_QUESTIONS = {
    "bookpeople": ("for how many people", "how many people is it for", "how many of you will there be"),
    "bookday": ("on which day", "for which day", "which day would you like"),
    "booktime": ("at what time", "what time would you like"),
    "bookstay": ("for how many nights", "how many nights would you like to stay"),
}
BOOKING_LEADS = ("", "Certainly.", "I can do that.", "Of course.", "With pleasure.")
NO_BOOKINGS = {
    "restaurant": (
        "I am sorry, {name} is closed on {bookday}. Would another day work for you?",
        "Unfortunately {name} takes no bookings on {bookday}. Could you come on another day?",
        "I am sorry, the booking failed because they are closed on {bookday}. Shall I try another day?",
    ),
    "hotel": (
        "I am sorry, {name} has no free rooms from {bookday}. Would another day work for you?",
        "Unfortunately {name} is full on {bookday}. Could you arrive on another day?",
        "I am sorry, the booking failed because they are full on {bookday}. Shall I try another day?",
    ),
}
BOOKINGS = {
    "restaurant": (
        "Your table at {name} is booked. The reference number is {ref}.",
        "I have booked a table for {bookpeople} at {name} on {bookday} at {booktime}. Your reference number is {ref}.",
        "The booking was successful. Your reference number is {ref}.",
        "Done! They expect you on {bookday} at {booktime}. The reference number is {ref}.",
    ),
    "hotel": (
        "Your room at {name} is booked. The reference number is {ref}.",
        "I have booked {name} for {bookpeople} {people} and {bookstay} {nights} from {bookday}. Your reference "
        "number is {ref}.",
        "The booking was successful. Your reference number is {ref}.",
        "Done! They expect you on {bookday}. The reference number is {ref}.",
    ),
    "train": (
        "Your tickets are booked. The reference number is {ref}.",
        "I have booked {bookpeople} {tickets} for {trainid}. Your reference number is {ref}.",
        "The booking was successful. Your reference number is {ref}.",
        "Done! Please pay {price} a person at the station. The reference number is {ref}.",
    ),
}
REBOOKINGS = (
    "I have changed your booking. The new reference number is {ref}.",
    "No problem, the booking is changed. Your new reference number is {ref}.",
    "That was possible. The new reference number is {ref}.",
)
FACTS = {
    "phone": (
        "the phone number is {phone}",
        "their phone number is {phone}",
        "you can reach them on {phone}",
    ),
    "address": ("the address is {address}", "it is at {address}", "you find it at {address}"),
    "postcode": ("the postcode is {postcode}", "its postcode is {postcode}"),
    "area": ("it is in the {area} area", "you find it in the {area} area"),
    "pricerange": ("it is in the {pricerange} price range", "the prices are {pricerange}"),
    "food": ("they serve {food} food", "the food is {food}"),
    "stars": ("it has {stars} stars", "it is rated with {stars} stars"),
    "entrancefee": ("the entrance fee is {entrancefee}", "the entrance is {entrancefee}"),
    "openhours": ("it is open from {openhours}", "the opening hours are {openhours}"),
    "price": ("the ticket costs {price}", "the price is {price}", "it costs {price} a person"),
    "duration": ("the journey takes {duration}", "the travel time is {duration}", "it takes {duration}"),
}
TAXIS = (
    "I have booked a {type} for you. The contact number is {phone}.",
    "Your taxi is booked. Look out for a {type}. The phone number is {phone}.",
    "A {type} will pick you up at {departure}. The contact number is {phone}.",
    "Done! A {type} will take you to {destination}. You can call the driver on {phone}.",
)
