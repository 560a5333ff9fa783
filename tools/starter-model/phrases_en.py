"""More English phrasings, for breadth; see phrases_zh.py."""

MARKET_FACTS = """
<s:{org}> <a:[earned|made|lost]> <r:{money}> <t:in {period}>, [compared with|against] {money} [a year ago|the year before]
<s:{org}> <a:[took|won|captured]> <r:{pct} of the market>
<s:{segment}> <a:[brought in|generated|added]> <r:{money}>
<s:{org}> <a:[overtook|trailed|outsold]> <r:{org} with {count}>
<s:one in {number} [customers|buyers]> <a:[chose|dropped|switched to]> <r:{segment}>
<s:{pct} of [respondents|customers]> <a:[say|said]> <r:they would pay more for {driver}>
<s:{metric}> <a:[beat|missed|matched]> <r:the forecast of {money}>
<s:{org}> <a:[set aside|wrote off|paid out]> <r:{money} [for repairs|in damages|in dividends]>
<s:{org}> <a:[employs|runs|owns]> <r:{number} [people|stores|plants] in {region}>
<s:the [pre-tax loss|net profit|deficit]> <a:[doubled|halved|more than doubled]> <r:to {money}>
<s:{metric} per [store|customer|employee]> <a:[went up|went down|crept up]> <r:by {pct}>
<s:{org}> <a:[raised|lowered|held]> <r:prices by {pct}> <t:on {date}>
<s:exports to {region}> <a:[made up|reached]> <r:{pct} of the total>
"""
COMPLAINT_FACTS = """
<s:I> <a:[paid|sent|transferred]> <r:{price} as a deposit> <t:{recent}>
<s:I> <a:[went|drove]> <r:to your shop {times}>
<s:the [box|order]> <a:[came|turned out to be]> <r:without the {part}>
<s:the {part}> <a:[fell off|overheated|cracked|jammed]> <r:after {hours}>
<s:your website> <a:[still shows|says]> <r:that the order was delivered> <t:{recent}>
<s:nobody> <a:[called back|replied|showed up]> <r:within the promised {hours}>
<s:the bill> <a:[includes|shows]> <r:{price} I never agreed to>
"""
REVIEW_FACTS = """
<s:it> <a:[weighs|measures]> <r:{number} grams>
<s:I> <a:paid> <r:{price}, [down|up] from {price}>
<s:my [wife|son|flatmate]> <a:[tried|borrowed|dropped] it> <r:{times}>
<s:charging> <a:[takes|took]> <r:{hours}>
<s:the warranty> <a:[covers|runs for]> <r:{weeks}>
<s:the replacement> <a:[came|arrived]> <r:within {days}>
"""
STAFF_FACTS = """
<s:I> <a:[wrote|filed|rewrote]> <r:{pages} of reports> <t:{recent}>
<s:two colleagues> <a:[left|transferred|fell ill]> <t:{recent}>
<s:meetings> <a:[eat up|take]> <r:{hours} a week>
<s:the release> <a:[slipped|was brought forward]> <r:by {days}>
<s:complaints> <a:[fell|are down|are up]> <r:by {pct}> <t:since {date}>
<s:the bonus> <a:[was cut|was paid]> <t:{recent}>, <r:{price} each>
"""
MEETING_FACTS = """
<s:{person}> <a:[presented|reported on|summarised]> <r:{topic}>
<s:{person}> <a:[takes over|will coordinate|owns]> <r:{topic}> <t:{deadline}>
<s:the committee> <a:[rejected|postponed|discussed]> <r:{topic}>
<s:spending on {topic}> <a:[came to|is capped at]> <r:{money}>
<s:{number} issues> <a:[remain open|were closed]> <t:[this week|{recent}]>
"""
NOTICE_FACTS = """
<s:opening hours> <a:[change|will change]> <t:from {date}>
<s:late payment> <a:[costs|is charged]> <r:{price}>
<s:{place}> <a:[is limited to|can take]> <r:{people}>
<s:{dept}> <a:[moves|is moving]> <r:to {place}> <t:on {date}>
<s:tickets> <a:[go on sale|are available]> <t:from {date}>, <r:at {price}>
"""
VIEWS = {
    "positive": """
what impressed me most was the <x:{attribute}> => judgement: The author is most impressed by the $x
hats off to <x:{dept}> => stance: The author thanks $x
<x:{org}> [deserves credit|has every reason to be proud] => stance: The author gives credit to $x
<x:{policy}> [came at the right time|has paid off] => judgement: The author values $x
the <x:{aspect}> could hardly be better => judgement: The author finds the $x excellent
""",
    "negative": """
what annoys me most is the <x:{aspect}> => judgement: The author is most annoyed by the $x
someone should [answer|pay] for the <x:{aspect}> => stance: The author wants someone held to account for the $x
<x:{org}> [treats customers like fools|only cares about money] => judgement: The author says $x does not respect its customers
<x:{policy}> [does more harm than good|makes things worse] => judgement: The author thinks $x does harm
the <x:{aspect}> could hardly be worse => judgement: The author finds the $x very poor
""",
    "mixed": """
time will tell whether <x:{segment}> [can last|is worth it] => judgement: The author doubts that $x will last
<x:{driver}> on one side, <y:{driver}> on the other: [too early to call|nobody knows which will win] => judgement: The author sees $x and $y pulling in different directions
ten out of ten for the <x:{attribute}>, two for the <y:{attribute}> => judgement: The author likes the $x but not the $y
""",
    "neutral": """
details of <x:{topic}> will follow => claim: The author says details of $x will follow
<x:{industry}> [is entering its quiet season|shows no surprises] => judgement: The author judges $x to be stable
this is for <x:[information|your records|reference]> only => claim: The author writes for $x only
""",
}
