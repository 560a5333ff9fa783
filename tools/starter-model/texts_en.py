"""English texts: market notes, complaints, reviews, staff interviews, meeting minutes, notices. Same shapes as the Chinese."""

import attitudes
import core
import phrases_en
from market_zh import lines
from voices_zh import mood_of, several

MARKET_FACTS = """
<s:[operating profit|order intake|the dividend]> <a:[came in at|was]> <r:{money}, [helped|hurt] by {driver}>
<s:two large {segment} customers> <a:[had moved|moved]> <r:{pct} of their orders into {period}>
<s:analysts> <a:[expect|had forecast]> <r:{money} <t:for {period}>>
<s:{segment}> <a:[rose|fell|grew]> <r:{pct}, from {money} to {money}>
<t:{recent}>, <s:the shares> <a:[closed|ended]> <r:[up|down] {pct} at {price}>
<s:{metric} in {region}> <a:[rose|grew|climbed|fell|dropped|declined]> <r:{pct} to {count}> <t:in {period}>
<t:in {period}>, <s:{org}> <a:[reported|posted|recorded]> <r:{metric} of {money}, [up|down] {pct} from a year earlier>
<s:{org}> <a:[reported|posted]> <r:[revenue|profit|sales] of {money}> <t:for {period}>
<s:{metric}> <t:in {period}> <a:[rose|fell|grew|slipped]> <r:{pct} to {money}, [above|below] the {money} forecast by analysts>
<s:[Second-quarter|Full-year|First-half|Quarterly] [revenue|profit|sales]> <a:[rose|fell|climbed|slipped]> <r:{pct} to {money}>
<s:[gross margin|operating margin|net margin]> <a:[improved|widened|narrowed|slipped|rose]> <r:from {pct} to {pct}>
<s:{segment}> <a:[accounted for|made up|contributed]> <r:{pct} of [revenue|sales|orders]>
<s:{org}> <a:[led|topped]> <r:the market with {count}>
<s:{org}> <a:[shipped|delivered|sold]> <r:{count}, [up|down] {pct}>
<t:on {date}>, <s:{org}> <a:[launched|announced|unveiled]> <r:a [new|cheaper] [service|model|plan] priced at {price}>
<s:the board> <a:approved> <r:a [buyback|dividend|loan] [worth|of at most] {money}> <t:until {period}>
<s:{org}> <a:[plans to open|will close|expects to add|intends to cut]> <r:{count}> <t:[by the end of|in] {period}>
<s:{org}> <a:[agreed to buy|sold|acquired]> <r:a [rival|supplier|unit] for {money}>
<s:[customer churn|order retention|capacity utilisation|the refund rate]> <a:[fell to|rose to|stood at|reached]> <r:{pct}>
<s:[operating cash flow|capital spending|inventory|debt]> <a:[was|reached|stood at|fell to]> <r:{money}>
<s:management> <a:[raised|cut|kept|lowered]> <r:its full-year [guidance|target] [to|at] {money}>
<s:the shares> <a:[slipped|fell|rose|gained]> <r:{pct} after the [call|report]>
<s:the average [price|order]> <a:[rose to|fell to|was]> <r:{price}>
!<s:{org}> <a:[booked|generated|notched up]> <r:{money} in {metric}> <t:during {period}>
!<s:{segment}> <a:[surged|plunged|edged up|edged down]> <r:{pct}, the [fastest|steepest] move in [two|three] years>
!<s:[operating costs|headcount|advertising spending]> <a:[swelled|shrank|came down]> <r:to {money}> <t:in {period}>
"""
POSITIVE = """
<x:{segment}> [is|are] now the [main engine of growth|strongest part of the business] => judgement: The author judges that $x drives growth
<x:{driver}> and <y:{driver}> [are|remain] the key drivers of demand => claim: The author sees $x and $y as the key drivers
we remain [confident|optimistic] about <x:{segment}> => stance: The author is optimistic about $x
the outlook for <x:{industry}> is [the best in years|brightening|clearly improving] => judgement: The author judges the outlook for $x to be improving
<x:{org}> has [earned the trust of investors|turned the corner|executed very well] => judgement: The author judges that $x has done well
!there is every reason to be [cheerful|hopeful] about <x:{segment}> => stance: The author is optimistic about $x
"""
NEGATIVE = """
the outlook for <x:{segment}> is [bleak|getting worse|poor] => judgement: The author is pessimistic about $x
investors have [every right to be|good reason to be] [disappointed|worried] with <x:{org}> => stance: The author is disappointed with $x
<x:{org}> has [lost its way|wasted its lead|been too slow] => judgement: The author judges that $x has failed to respond
price cuts in <x:{segment}> [will hurt everyone|cannot go on|are a mistake] => stance: The author opposes price cuts in $x
!<x:{segment}> [looks|look] like a [lost cause|serious liability] => judgement: The author is pessimistic about $x
"""
DOUBT = """
the chairman described the order book as “[better than ever|rock solid]”, but [avoided|dodged] the question [of whether|whether] <x:{segment}> had [slowed|shrunk] => stance: The author doubts the management's account of $x
the numbers look good, yet <x:{driver}> [will not last|may prove a one-off] => judgement: The author doubts that $x will last
behind the headline growth, <x:{segment}> [raises questions|remains a concern|is a hidden risk] => judgement: The author sees a hidden risk in $x
it is far from clear that <x:{segment}> can keep up this pace => judgement: The author doubts that $x can keep the pace
!one has to wonder how long <x:{segment}> can hide the [cracks|weakness] => judgement: The author doubts that $x will last
"""
NEUTRAL = """
overall, <x:{industry}> was [little changed|stable|broadly flat] => judgement: The author judges $x to be stable
the effect on <x:{segment}> depends on <y:{driver}> => claim: The author says the effect depends on $y
these figures for <x:{industry}> are [preliminary|unaudited|subject to revision] => claim: The author notes that the figures are provisional
<x:{segment}> and <y:{segment}> moved in opposite directions => judgement: The author notes that $x and $y diverged
!on balance, <x:{industry}> [held steady|showed no clear trend] => judgement: The author judges $x to be stable
"""
MARKET_MOODS = [
    ("positive", POSITIVE + attitudes.POSITIVE_EN, [("measured and factual", "confident about the prospects"), ("upbeat", "optimism about growth")], [3, 4]),
    ("negative", NEGATIVE + attitudes.NEGATIVE_EN, [("blunt", "disappointment and worry"), ("measured and factual", "dissatisfied with the performance")], [3, 4]),
    ("mixed", DOUBT + attitudes.DOUBT_EN, [("factual, good figures up front", "doubts behind the good figures"), ("calm and balanced", "respect for the results, unease about what follows")], [3]),
    ("neutral", NEUTRAL + attitudes.NEUTRAL_EN, [("neutral and factual", "no clear feeling, only facts"), ("matter-of-fact", "neither praise nor blame")], [1]),
]

COMPLAINT_OPEN = """
[Dear support|Hello|Dear customer service|To whom it may concern],
[Thank you for your patience with me|I have been a customer for years|I rarely write letters like this].
"""
COMPLAINT_FACTS = """
<s:your [agent|technician|driver]> <a:promised> <r:[a call|a visit|an answer] within {hours}>
<s:the same fault> <a:has come back> <r:{times}>
<s:the refund> <a:was> <r:{price} short>
<t:{recent}> <s:the courier> <a:[left|dropped]> <r:the parcel [in the rain|at the wrong door]>
<s:I> <a:[ordered|bought]> <r:a {item} for {price}> <t:{recent}>
<t:{recent}> <s:I> <a:[ordered|bought|paid for]> <r:a {item}, order {code}>
the page promised delivery within {hours}, but <s:the parcel> <a:arrived> <t:{recent}>
<s:the {part}> <a:was> <r:[broken|missing|cracked|scratched|from another model]>
<s:the {item}> <a:stopped working> <r:after {days}>
<s:I> <a:[waited|was kept waiting]> <r:{days} for [a reply|an answer|the refund]>
<s:I> <a:[made|sent]> <r:{calls} and [nobody answered|got no reply]>
<s:the [first|second] agent> <a:[said|told me]> <r:that [it was normal|it would take {days}|nothing could be done]>
<s:your [support team|technician|agent]> <a:asked me to pay> <r:{price} for [return shipping|an inspection|the repair]>
<s:my refund request> <a:was [refused|closed|ignored]> <t:{recent}>
<s:you> <a:charged me> <r:{price} [twice|for a service I never used]>
!<s:the {item}> <a:turned up> <r:with a [faulty|dented] {part}> <t:{recent}>
!<s:I> <a:spent> <r:{hours} on the phone with your helpline>
"""
COMPLAINT_VIEWS = """
I [just|only] want [my money back|a full refund] => stance: The author demands a refund
please [send me a refund|replace it|give me a proper answer] without further delay => stance: The author demands a prompt solution
if I hear nothing <x:{deadline}>, I will [go to the consumer office|take legal advice|cancel my account] => stance: The author threatens to escalate unless answered $x
<x:[this kind of service|the way I was treated|your after-sales service]> is [unacceptable|a disgrace|deeply disappointing] => judgement: The author finds $x unacceptable
I will [never|not] buy from <x:[you|this brand|your shop]> again => stance: The author no longer trusts $x
!<x:[such handling|this attitude]> has [exhausted my patience|left me speechless] => judgement: The author finds $x unacceptable
"""
COMPLAINT_TONES = [("polite and restrained", "strong dissatisfaction, patience gone"), ("courteous", "anger under the courtesy")]

REVIEW_FACTS = """
<s:I> <a:[bought|got|picked up]> <r:this {item} for {price}> <t:{recent}>
<s:the {item}> <a:[arrived|was delivered]> <t:{recent}>
<s:the battery> <a:[lasts|lasted]> <r:{hours} on one charge>
<s:assembly> <a:took> <r:{minutes}>
<s:I> <a:have used it> <r:{times} [a week|so far]>
<s:delivery> <a:took> <r:{days}>
<s:the seller> <a:refunded> <r:{price} [for the delay|after one email]>
!<s:setup> <a:needed> <r:{minutes} and no tools>
"""
REVIEW_GOOD = """
the <x:{attribute}> is [excellent|better than I expected|superb] => judgement: The author is very pleased with the $x
I love the <x:{attribute}> and the <y:{attribute}> => judgement: The author praises the $x and the $y
I would [happily|gladly] recommend it to [anyone|friends] => stance: The author recommends the product
!you will not find a better <x:{attribute}> at this price => judgement: The author is very pleased with the $x
"""
REVIEW_BAD = """
the <x:{attribute}> is [terrible|a joke|very poor|disappointing] => judgement: The author is disappointed with the $x
I regret buying it, the <x:{attribute}> [is useless|let me down] => judgement: The author regrets the purchase because of the $x
do not [buy|waste your money on] this <x:{item}> => stance: The author warns against buying the $x
!nothing about the <x:{attribute}> lives up to the advertising => judgement: The author is disappointed with the $x
"""
REVIEW_MIXED = """
the <x:{attribute}> is [good|fine|great], but the <y:{attribute}> [is poor|could be better|is not] => judgement: The author likes the $x but not the $y
I like the <x:{attribute}>; the <y:{attribute}> [needs work|is another matter] => judgement: The author likes the $x but not the $y
!full marks for the <x:{attribute}>, fewer for the <y:{attribute}> => judgement: The author likes the $x but not the $y
"""

STAFF_OPEN = """
Interview notes, {dept}, {date}.
[Staff interview|Exit interview|One-to-one notes], {dept}.
Dear all, a few words about how things are going.
"""
STAFF_FACTS = """
<s:we> <a:are now> <r:{people} doing the work of {people}>
<s:my manager> <a:[promised|said]> <r:that help would come> <t:{deadline}>
<s:the new rota> <a:adds> <r:{hours} a month>
<s:the weekly report> <a:has grown> <r:from {pages} to {pages}>
<s:we> <a:spend> <r:{hours} a week on [paperwork|meetings|reports]>
<s:the [payment gateway|new site|billing module]> <a:went live> <r:on schedule> <t:{recent}>
<s:the defect rate> <a:[fell|went down]> <r:from {pct} to {pct}>
<s:our team> <a:lost> <r:{people}> <t:{recent}>
<s:the client> <a:changed> <r:the requirements {times}> <t:{recent}>
<s:the team> <a:[worked|put in]> <r:{hours} of overtime> <t:in {period}>
!<s:my holiday> <a:has been moved> <r:{times}>
"""
TIRED = """
on the whole I support <x:{policy}>, [the direction is right|I see the point] => stance: The author supports the direction of $x
one or two more people would help, but <m:[we will manage without|if not, we will cope]> => stance: The author wants more staff but expects none
well, <m:[we are used to it by now|that is just how it is]> => judgement: The author is resigned to the situation
it is fine, <m:[I am just a bit tired|I just sleep a little less]> => judgement: The author is tired
!never mind, <m:[we have stopped asking|it will pass, I suppose]> => judgement: The author is resigned to the situation
"""
HAPPY = """
<x:{policy}> has [really helped|made a real difference] => judgement: The author values $x
I [am proud of|really enjoy working with] <x:{dept}> => stance: The author is glad to work with $x
I hope <x:{policy}> [stays|is kept for good] => stance: The author wants $x to stay
!thanks to <x:{policy}>, I look forward to [Mondays|every week] => judgement: The author values $x
"""
STAFF_MOODS = [("negative", TIRED + attitudes.TIRED_EN, [("mild and understanding", "fatigue and resignation"), ("cooperative", "exhaustion, no hope of change")], [3, 4]),
               ("positive", HAPPY + attitudes.HAPPY_EN, [("warm", "satisfaction and belonging"), ("sincere", "pride and motivation")], [3, 4])]

MEETING_OPEN = """
Minutes of the [project|weekly|budget] meeting, {date}.
[Present|Attendees]: {person}, {person} and {person}.
"""
MEETING_FACTS = """
<s:{person}> <a:will [send|finish|prepare|present]> <r:{topic}> <t:{deadline}>
<s:the [committee|board|team]> <a:[approved|agreed on|adopted]> <r:{topic} with a budget of {money}>
<s:{dept}> <a:must [deliver|complete|submit]> <r:{topic}> <t:{deadline}>
<s:{topic}> <a:is> <r:{pct} complete, with {count} left>
<s:the next meeting> <a:[is set for|will be held on]> <t:{date}>
<s:{dept}> <a:[closed|handled|reviewed]> <r:{count}> <t:in {period}>
<s:{dept}> <a:asked for> <r:{people} more>
!<s:{topic}> <a:was handed over> <r:to {dept}> <t:{recent}>
"""
MEETING_VIEWS = """
the group agreed that <x:{topic}> should [go ahead|take priority] => stance: The meeting supports $x
<x:{person}> [said|argued] that <y:{topic}> needs more [time|review] => claim: $x holds that $y needs more time
the chair asked <x:{dept}> to keep to the schedule => stance: The meeting asks $x to keep to the schedule
!it was felt that <x:{topic}> could [wait|start at once] => judgement: The meeting took a decision on $x
"""
NOTICE_OPEN = """
[Notice|Announcement|To all staff|Dear residents]:
"""
NOTICE_FACTS = """
<s:{place}> <a:will be closed> <r:for {work}> <t:[on {date}|from {date} to {date}]>
<t:from {date}>, <s:[the parking fee|the monthly fee|the lunch price]> <a:will be> <r:{price}>
<s:{place}> <a:reopens> <t:on {date}>
<s:{work}> <a:will take> <r:about {hours}>
<s:registration> <a:closes> <t:on {date}>, <r:with places for {people}>
!<t:on {date}>, <s:{place}> <a:is out of service> <r:because of {work}>
"""
NOTICE_VIEWS = """
<x:[residents|staff|visitors|users]> are asked to [plan ahead|use the other entrance|save their work] => stance: The notice asks $x to prepare
we apologise for any inconvenience => stance: The notice apologises for the inconvenience
questions can be sent to <x:{dept}> => claim: The notice refers questions to $x
!please bear with us => stance: The notice asks for patience
"""
NEUTRAL_TONES = [("businesslike", "no clear feeling, only facts"), ("neutral and factual", "neither praise nor blame")]
LINKS = ["Meanwhile, ", "In addition, ", "By contrast, ", "At the same time, ", "Separately, "]


def join(w, clauses):
    """Sentences from clauses: a capital first, a full stop last; sometimes two clauses in one sentence."""
    segments, start = [], True
    for i, clause in enumerate(clauses):
        if clause.text.endswith((".", ",", ":")):
            segments += [clause, core.Segment(" ")]
            start = True
            continue
        if start and i and clause.fact and w.chance(0.15):
            segments.append(core.Segment(w.pick(LINKS)))
            start = False
        segments.append(capital(clause) if start else clause)
        last = i + 1 == len(clauses)
        start = last or w.chance(0.75) or clause.text.count(",") > 1
        segments.append(core.Segment("" if last else ". " if start else w.pick([", and ", "; ", ", while ", ", yet ", ", but "])))
    segments[-1] = core.Segment(".")
    return segments


def capital(clause):
    """The clause with a capital letter first, in the text and in every gold value that starts there."""
    def up(value):
        if isinstance(value, str) and value and clause.text.startswith(value):
            return value[0].upper() + value[1:]
        return value

    for item in (clause.fact, clause.view):
        if item:
            item.update({key: up(value) for key, value in item.items() if key not in ("kind", "statement")})
    clause.mood_quote = up(clause.mood_quote)
    clause.text = clause.text[:1].upper() + clause.text[1:]
    return clause


def compose(w, opening, facts, views, mood, low, high, n_views=(1, 2), p_general=0.12):
    polarity, tones, intensities = mood
    clauses = [w.plain(w.template(lines(opening)))] if opening and w.chance(0.7) else []
    clauses += [w.fact(t) for t in several(w, lines(facts), low, high, p_general)]
    opinions = [w.view(t) for t in several(w, lines(views), *n_views, polarity=None if TIRED in views else polarity)]
    if len(opinions) == 2 and w.chance(0.4):
        clauses.insert(w.rng.randint(min(1, len(clauses)), len(clauses)), opinions.pop(0))
    clauses += opinions
    return join(w, clauses), mood_of(w, opinions[-1], tones, polarity, intensities)


def market(w):
    polarity, views, tones, intensities = w.pick(MARKET_MOODS)
    return compose(w, None, MARKET_FACTS + phrases_en.MARKET_FACTS, views, (polarity, tones, intensities), 2, 5, p_general=0.45)


def complaint(w):
    return compose(w, COMPLAINT_OPEN, COMPLAINT_FACTS + phrases_en.COMPLAINT_FACTS, COMPLAINT_VIEWS + attitudes.COMPLAINT_EN, ("negative", COMPLAINT_TONES, [4, 4, 5]), 1, 4)


def review(w):
    polarity, views, tones = w.pick([
        ("positive", REVIEW_GOOD + attitudes.REVIEW_GOOD_EN, [("enthusiastic", "satisfied and happy to recommend")]),
        ("negative", REVIEW_BAD + attitudes.REVIEW_BAD_EN, [("blunt", "disappointment and regret")]),
        ("mixed", REVIEW_MIXED, [("fair and plain", "partly satisfied, with reservations")])])
    return compose(w, None, REVIEW_FACTS + phrases_en.REVIEW_FACTS, views, (polarity, tones, [3] if polarity == "mixed" else [4]), 1, 3)


def interview(w):
    polarity, views, tones, intensities = w.pick(STAFF_MOODS)
    return compose(w, STAFF_OPEN, STAFF_FACTS + phrases_en.STAFF_FACTS, views, (polarity, tones, intensities), 1, 3)


def meeting(w):
    return compose(w, MEETING_OPEN, MEETING_FACTS + phrases_en.MEETING_FACTS, MEETING_VIEWS, ("neutral", NEUTRAL_TONES, [1]), 2, 4)


def notice(w):
    return compose(w, NOTICE_OPEN, NOTICE_FACTS + phrases_en.NOTICE_FACTS, NOTICE_VIEWS + attitudes.NOTICE_EN, ("neutral", NEUTRAL_TONES, [1]), 1, 3)


def brief(w):
    """A remark or two with at most two facts; see voices_zh.brief."""
    polarity, _, tones, intensities = w.pick(MARKET_MOODS)
    opinions = [w.view(t) for t in dict.fromkeys(w.opinion(polarity) for _ in range(w.rng.choice([1, 1, 2])))]
    clauses = [w.fact(t) for t in dict.fromkeys(w.general_fact() for _ in range(w.rng.choice([0, 1, 1, 2])))]
    return join(w, clauses + opinions), mood_of(w, opinions[-1], tones, polarity, intensities)
