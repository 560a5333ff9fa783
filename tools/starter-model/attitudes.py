"""More ways to show an attitude, by kind of text: what people say in complaints, reviews, interviews, minutes, notices and
market notes. Added to the lists of the texts, Chinese and English."""

COMPLAINT = """
我[要求|请求]<x:[全额退款|退还差价|书面道歉|赔偿损失]>，[一分都不能少|越快越好|没有商量余地] => stance: 作者要求$x
<x:[三天|五天|两周]>内[不解决|没结果]，[12315见|我们法庭上见|我会发到网上让大家评理] => stance: 作者限期$x解决，否则将升级投诉
[这就是|难道这就是]<x:[贵司|你们|{org}]>[宣传的品质|所谓的承诺|对待客户的态度]吗 => stance: 作者质问$x名不副实
[花钱买气受|钱花了罪也受了|越等越心凉|一肚子火没处撒]，<x:[你们的服务|这次购物|这家店]>[我算是领教了|真是开了眼] => judgement: 作者对$x极为不满
[不是我较真|不是我不讲理]，是<x:[你们|客服|商家]>[一再失信|拿我当皮球踢|从头到尾没一句实话] => claim: 作者认为$x失信
[我不接受|我拒绝]<x:[这个解释|这种说法|打折券补偿|和稀泥的处理]> => stance: 作者拒绝$x
[本来想算了|忍到今天]，可<x:[你们的态度|这件事]>[实在欺负人|让人咽不下这口气] => judgement: 作者对$x感到愤怒
[请告诉我|我只问一句]，<x:[东西|钱|我的包裹|承诺的赔偿]>[到底在哪|什么时候能给|还要拖到哪天] => stance: 作者追问$x的下落
"""
REVIEW_GOOD = """
<x:{attribute}>[让我很满意|没话说|可以打满分|一试就爱上了|惊艳到我了] => judgement: 作者对$x很满意
[全家人都喜欢|用过就回不去了|真香]，<x:{attribute}>[尤其好|最加分] => judgement: 作者对$x很满意
[买对了|捡到宝了|这次没踩雷]，[会再来的|准备给爸妈也买一个|朋友看了都想要] => stance: 作者推荐购买
<x:{attribute}>[很贴心|做得很用心|看得出下了功夫|无可指摘] => judgement: 作者称赞$x
"""
REVIEW_BAD = """
<x:{attribute}>[让我很失望|没法忍|烂得可以|用一次气一次|连地摊货都不如] => judgement: 作者对$x很失望
[踩雷了|交了智商税|买来就吃灰|扔了可惜留着碍眼]，[千万别学我|大家绕道吧|再也不会买] => stance: 作者不推荐购买
[吹得天花乱坠|图片很美好]，[实物|到手]<x:{attribute}>[惨不忍睹|让人想哭|完全两码事] => claim: 作者认为$x宣传不实
<x:{attribute}>[坑了我|毁了一切|逼得我退货|让我肠子都悔青了] => judgement: 作者对$x很失望
"""
REVIEW_MIXED = """
<x:{attribute}>[让人满意|加分|挺顶]，<y:{attribute}>[却减分|却不敢恭维|就别指望了|真不行] => judgement: 作者肯定$x但不满$y
[说不上好也说不上差]，<x:{attribute}>[对得起价格|还凑合]，<y:{attribute}>[就将就吧|得忍] => judgement: 作者肯定$x但不满$y
[用了才知道]<x:{attribute}>[真好]，<y:{attribute}>[真愁人] => judgement: 作者肯定$x但不满$y
"""
TIRED = """
[算是支持吧|道理我都懂]，<m:[只是人真的快撑不住了|可身体先顶不住了|就是心里空落落的]> => judgement: 作者已感疲惫
[说多了也没意思|问了也白问]，<m:[干一天算一天吧|先这么着吧|随它去吧]> => judgement: 作者对现状感到无奈
[刚来时挺有劲头]，<m:[现在只想准点下班|如今提不起精神|慢慢就没了心气]> => judgement: 作者热情已消退
[领导也难]，<m:[我们就自己消化吧|能扛就扛吧|苦一点就苦一点]> => judgement: 作者在勉强支撑
<m:[不抱什么指望了|习惯了就好|也就图个安稳]>，[饭还是要吃的|孩子还要上学] => judgement: 作者对改变不再抱希望
[谢谢关心]，<m:[撑得住|还熬得下去|睡一觉又是一天]> => judgement: 作者在勉强支撑
[以前还会争一争]，<m:[现在懒得说了|如今听安排就是|后来就学会沉默了]> => judgement: 作者对反馈不再抱希望
[一个萝卜三个坑]，<m:[熬着呗|有什么办法呢|咬咬牙过去]> => judgement: 作者对现状感到无奈
"""
HAPPY = """
<x:{policy}>[正合我意|给了我们盼头|让加班少了大半|说到了大家心坎里] => judgement: 作者认可$x的效果
[每天上班都有劲|现在下班能陪孩子了|工资也跟着涨了]，<x:{policy}>[功不可没|真是帮了我们] => judgement: 作者认可$x的效果
[能进]<x:{dept}>[是我的福气|我很知足|算是来对了] => stance: 作者喜欢$x的氛围
[为]<x:{dept}>[感到骄傲|高兴|点个赞]，[跟着这样的团队干不亏|大家像一家人] => stance: 作者喜欢$x的氛围
[苦是苦了点]，[但值得|可心里甜|回报看得见]，<x:{policy}>[我支持到底] => stance: 作者支持$x
"""
ANGRY = """
<x:{policy}>[把人当机器|逼得大家造假|害人不浅|越搞越乱]，[谁定的谁来试试|我第一个不服|趁早废了吧] => stance: 作者反对$x
[干得多错得多]，<x:[混日子的|拍马屁的|甩锅的]>[反倒升了|倒评了先进]，[天理何在|这公平吗] => stance: 作者不满$x得到好处
[忍无可忍了|我就直说了]，<x:{policy}>[必须改|一天也不能留|坑苦了我们] => stance: 作者反对$x
[领导一张嘴]，[下面跑断腿|兄弟们脱层皮]，<x:{policy}>[到底图什么] => stance: 作者质疑$x
"""
MEETING = """
会议[研究了|审议了]<x:{topic}>，[同意报批|原则通过|交相关部门办理] => judgement: 会议对$x作出安排
<x:{topic}>[按既定方案执行|由专人跟进|列入下次议程|转入执行阶段] => judgement: 会议对$x作出安排
[会议要求|主持人提醒]<x:{dept}>[做好记录|按期反馈|逐条落实|注意时间节点] => stance: 会议要求$x落实安排
[各方对]<x:{topic}>[没有异议|交换了意见|分歧不大] => judgement: 与会者对$x没有异议
"""
MEETING_GOOD = """
会议对<x:{dept}>[提出表扬|给予充分肯定|致以谢意]，[希望再接再厉|值得各部门学习] => stance: 会议肯定$x的工作
<x:{topic}>[打开了局面|提前见效|获得客户好评|节省了大笔开支]，[大家深受鼓舞|团队很有成就感] => judgement: 会议认为$x成效明显
"""
MEETING_BAD = """
<x:{topic}>[一拖再拖|漏洞不少|连续两次返工]，[主持人十分恼火|责任人作了检讨|会议提出严肃批评] => judgement: 会议批评$x推进不力
<x:{person}>[直言|忧心地说|无奈表示]，<y:{topic}>[人手根本不够|再砍经费就做不下去了|怕是要黄] => judgement: $x担心$y难以完成
"""
NOTICE = """
[望|希望]<x:[全体员工|各位家长|各商户|参会人员]>[准时参加|按要求办理|相互告知|照此执行] => stance: 通知要求$x照办
[请勿|严禁]<x:[逗留|占用消防通道|携带宠物|使用明火]> => stance: 通知禁止$x
[给您带来不便]，<m:[深表歉意|请您见谅|多谢配合]> => stance: 通知请求谅解
[联系人|咨询电话|受理部门]：<x:{dept}> => claim: 通知说明疑问可联系$x
"""
POSITIVE = """
<x:{segment}>[跑出了加速度|一枝独秀|好于所有人的预想|给全年开了好头] => judgement: 作者判断$x表现突出
[眼下最大的亮点|最让人振奋的]是<x:{segment}> => judgement: 作者认为$x是最大亮点
<x:{driver}>[打开了新空间|给行业注入了活力|让企业尝到了甜头] => claim: 作者认为$x带动了行业
[是时候|不妨]对<x:{industry}行业>[多一点信心|乐观一些|加大投入]了 => stance: 作者看好$x
<x:{org}>[踩准了节奏|赢得漂亮|交出高分答卷|后劲还在后面] => judgement: 作者判断$x表现出色
"""
NEGATIVE = """
<x:{segment}>[跌跌不休|失去了往日风光|拖了全公司的后腿|让人捏一把汗] => judgement: 作者对$x的前景感到担忧
[眼下最大的麻烦|最让人揪心的]是<x:{segment}> => judgement: 作者认为$x是最大问题
<x:{org}>[输得不冤|走了一步臭棋|把好牌打烂了|还在吃老本] => judgement: 作者批评$x应对失当
[别再对]<x:{industry}行业>[抱幻想了|盲目下注了]，[苦日子才刚开始|底还没到] => stance: 作者不看好$x
<x:{product}>[卖不动|压在仓库里|亏本赚吆喝]，[这样下去撑不了多久|谁看了不心焦] => judgement: 作者判断$x处境艰难
"""
DOUBT = """
<x:{driver}>[这阵风能刮多久|还能吃几年|会不会昙花一现]，[谁也说不准|要打个问号] => judgement: 作者怀疑$x能否持续
[但|可|不过]<x:{driver}>[不会年年都有|总有用完的一天|并非长久之计|多半是短期现象|带来的好处在变少] => claim: 作者认为$x不可持续
[剔除|抛开]<x:{driver}>，[所谓增长还剩多少|成绩单就没那么好看了] => claim: 作者认为增长过于依赖$x
[热销之下|繁荣背后|掌声之外]，<x:{segment}>[仍有软肋|埋着雷|欠着账] => judgement: 作者认为$x存在隐忧
[提到]<x:{segment}>，[公司|管理层|发言人][顾左右而言他|只挑好的说|突然没了声音] => stance: 作者质疑管理层回避$x的问题
"""
NEUTRAL = """
<x:{segment}>和<y:{segment}>[一增一减|表现不同|此消彼长|互有高低] => judgement: 作者指出$x与$y走势分化
<x:{industry}行业>[与往年同期大体相同|未现明显变化|仍按原有节奏运行] => judgement: 作者判断$x运行平稳
[数据口径|统计范围|分类标准]与<x:[上期|上年|往期]>[相同|一致] => claim: 作者说明口径与$x一致
<x:{metric}>[的最终数字|的修订值][下月公布|将在年报中列示|以审计结果为准] => claim: 作者说明$x以后公布
"""

POSITIVE_EN = """
<x:{segment}> [is|are] [firing on all cylinders|going from strength to strength|the envy of the industry] => judgement: The author judges that $x does very well
<x:{org}> [has got it right|is winning where it counts|deserves applause] => judgement: The author judges that $x has done well
the best is yet to come for <x:{segment}> => stance: The author is optimistic about $x
"""
NEGATIVE_EN = """
<x:{segment}> [is|are] [bleeding money|in deep trouble|heading for the rocks|a drag on everything else] => judgement: The author is pessimistic about $x
<x:{org}> [has squandered its chances|has no answer|keeps making the same mistakes] => judgement: The author judges that $x has failed to respond
the worst is yet to come for <x:{segment}> => stance: The author is pessimistic about $x
nobody should put their savings into <x:{segment}> => stance: The author warns against $x
"""
DOUBT_EN = """
how long <x:{driver}> can [carry|prop up] the figures is anyone's guess => judgement: The author doubts that $x will last
take away <x:{driver}> and the picture [changes|looks far less rosy] => claim: The author says the growth rests on $x
<x:{segment}> [may be a double or nothing bet|has yet to prove itself|looks good for the moment] => judgement: The author doubts that $x will last
"""
NEUTRAL_EN = """
<x:{industry}> [went sideways|moved within its usual range|saw no major change] => judgement: The author judges $x to be stable
the full tables for <x:{segment}> [are in the annex|will follow in the report] => claim: The author says where the figures for $x are
"""
COMPLAINT_EN = """
I [demand|expect|insist on] <x:[a refund|an apology|a replacement|compensation]> => stance: The author demands $x
<x:[your company|your team|this shop]> has [let me down|wasted my time|broken every promise] => judgement: The author finds that $x let the customer down
how can <x:[you|your staff|a serious company]> [treat people like this|call this service] => stance: The author asks how $x can behave so
I [refuse to accept|am tired of] <x:[your excuses|this answer|the vouchers]> => stance: The author rejects $x
"""
REVIEW_GOOD_EN = """
the <x:{attribute}> [won me over|is a delight|deserves five stars|makes every day easier] => judgement: The author is very pleased with the $x
hard to find fault with the <x:{attribute}> => judgement: The author is very pleased with the $x
my whole family [loves it|fights over it], best purchase this year => stance: The author recommends the product
"""
REVIEW_BAD_EN = """
the <x:{attribute}> [drives me mad|ruined it for me|fell short of every promise|is not worth a penny] => judgement: The author is disappointed with the $x
save your money, this <x:{item}> [is rubbish|belongs in the bin] => stance: The author warns against buying the $x
the advertising [lied|oversold] about the <x:{attribute}> => claim: The author says the $x was oversold
"""
TIRED_EN = """
we get by, <m:[one day at a time|somehow|as best we can]> => judgement: The author is resigned to the situation
I used to speak up, <m:[now I keep quiet|these days I let it go]> => judgement: The author is resigned to the situation
the work matters, <m:[but I am running on empty|but there is little left of me by Friday]> => judgement: The author is tired
nobody listens anyway, <m:[so we carry on|so why bother]> => judgement: The author is resigned to the situation
"""
HAPPY_EN = """
<x:{policy}> [makes my day easier|gave us our evenings back|was worth the wait] => judgement: The author values $x
because of <x:{policy}>, I [come to work with a smile|sleep better|feel trusted] => judgement: The author values $x
<x:{dept}> [feels like home|is the best team I have worked with] => stance: The author is glad to work with $x
"""
NOTICE_EN = """
[thank you for your patience|your understanding is appreciated|we are sorry for the trouble] => stance: The notice asks for understanding
<x:[guests|drivers|parents|all staff]> should [use the side door|follow the signs|bring their cards|note the new times] => stance: The notice asks $x to comply
for help, call <x:{dept}> => claim: The notice refers questions to $x
"""
