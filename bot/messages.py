"""Every sentence that a user reads, in every language. Nothing here knows Discord.

A text stands in all languages side by side, so that none can be forgotten. `say` finds it by its name.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bot.errors import (
    DeliveredError,
    EndedError,
    FileTooLargeError,
    FormError,
    GoneError,
    LoopTooLargeError,
    NobodyListensError,
    NoOpeningHereError,
    NoTakeError,
    NotFinishedError,
    NotHereError,
    NotTwoTakesError,
    NotYourComparisonError,
    NotYourRecordingError,
    NotYoursError,
    OverError,
    ParentGoneError,
    PieceFullError,
    TooManyPresetsError,
    UnreadableError,
    VotesOffError,
)
from composer.errors import (
    CannotHearError,
    HostileMidiError,
    LineFullError,
    MeterError,
    NoNotesError,
    NotationError,
    NotAudioError,
    NothingPlayedError,
    NotMidiError,
    OpeningTooDenseError,
    OpeningTooLongError,
    OutOfRangeError,
    PromptError,
    RecordingTooLargeError,
    RecordingTooLongError,
    SegueError,
    TaskError,
    TooFewNotesError,
    UnknownInstrumentError,
    UnknownNameError,
)
from composer.sampling import ALL, KNOBS, SamplingParams

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

# The attributes as musicians call them. `family` decides what comes next: one more note, the next position, a new bar.
MUSICAL_NAMES: Mapping[str, str] = {
    "bar": "family",
    "beat": "position",
    "pitch": "pitch",
    "velocity": "velocity",
    "duration": "duration",
    "chord": "chord",
    "tempo": "tempo",
}
LONGEST_MESSAGE = 2000  # characters
LONGEST_CHOICE = 100  # the name of a suggestion
LONGEST_LIST = 1000  # of those, for a list in the middle of a sentence
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn")  # categories: controls, marks that turn the direction, what has no width
BLANK = dict.fromkeys((0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0), " ")  # letters that show nothing
BAR_LENGTH = 12  # characters of the bar that fills; its squares are equally wide in every font


# Errors without data, and the names of their texts.
SIMPLE: Mapping[type[SegueError], str] = {
    GoneError: "gone",
    ParentGoneError: "parent_gone",
    NotFinishedError: "not_finished",
    EndedError: "ended_already",
    DeliveredError: "delivered_already",
    NotYoursError: "not_yours",
    NotYourRecordingError: "not_your_recording",
    NotYourComparisonError: "not_your_comparison",
    OverError: "over",
    NoTakeError: "no_take",
    NotTwoTakesError: "not_two_takes",
    NobodyListensError: "nobody_listens",
    VotesOffError: "votes_off",
    UnreadableError: "unreadable",
    NoOpeningHereError: "no_opening_here",
}


# What an OutOfRangeError is about, and the names of their texts.
NUMBERS: Mapping[str, str] = {
    "a temperature": "knob_temperature",
    "a top_p": "knob_top_p",
    "a seed": "number_seed",
    "the number of bars": "number_bars",
    "the number of takes": "number_takes",
    "the tempo": "number_tempo",
    "the downbeat": "number_downbeat",
}


class Text(NamedTuple):
    en: str
    zh: str


TEXTS: Mapping[str, Text] = {
    # ---- on the way
    "in_line": Text("In line: place **{place}**.", "排队中：第 **{place}** 位。"),
    "in_line_about": Text(
        "In line: place **{place}**. It will be done in about {time}.",
        "排队中：第 **{place}** 位，大约 {time}后完成。",
    ),
    "no_worker": Text(
        "In line: place **{place}**. The composer is away at the moment; your piece keeps its place "
        "and begins by itself as soon as it is back.",
        "排队中：第 **{place}** 位。作曲程序暂时不在线；你的作品会保留位置，等它回来后自动开始。",
    ),
    "headed": Text("**{title}** · {bars} bars\n{text}", "**{title}** · {bars} 小节\n{text}"),
    "composing": Text("Composing: bar {done} of {bars}\n{bar}", "作曲中：第 {done} / {bars} 小节\n{bar}"),
    "composing_about": Text(
        "Composing: bar {done} of {bars}, about {time} left\n{bar}",
        "作曲中：第 {done} / {bars} 小节，大约还需 {time}\n{bar}",
    ),
    "cancelled": Text("Cancelled.", "已取消。"),
    "failed": Text(
        "This piece could not be composed. Your opening is kept: press **Try again**.",
        "这首作品没能完成。你的开头还在：请按“再试一次”。",
    ),
    "undelivered": Text(
        "It is finished, but I may not hand it over here. Allow me **Send Messages** and **Attach Files** in this"
        " channel, or let this server's members send you direct messages, then press the button.",
        "作品已完成，但我无法在这里交付。请允许我在此频道“发送消息”和“添加文件”，或允许此服务器成员给你发私信，然后按下按钮。",
    ),
    "not_yet_delivered": Text(
        "It is finished, but something on my side keeps me from handing it over. I go on trying; the button tries at"
        " once.",
        "作品已完成，但我这边出了问题，暂时无法交付。我会继续尝试；按下按钮可立即再试。",
    ),
    "untitled": Text("a title that this server's AutoMod refuses", "被此服务器 AutoMod 拒绝的标题"),
    "expired": Text(
        "This request is from before a change of the model. Press **Try again** to have it composed by the new one.",
        "这个请求来自模型更新之前。按“再试一次”，由新模型来写。",
    ),
    # ---- a recording
    "recording": Text("🎧 **{title}**, a recording\n{text}", "🎧 录音 **{title}**\n{text}"),
    "waits_for_ears": Text(
        "In line to be heard. Whoever listens is away at the moment; it goes on by itself as soon as they are back.",
        "排队等待聆听。负责聆听的程序暂时不在线，等它回来后自动开始。",
    ),
    "listening": Text("Listening: {done} %, about {time} left\n{bar}", "聆听中：{done} %，大约还需 {time}\n{bar}"),
    "heard": Text("🎧 **{title}** · heard: {heard}", "🎧 **{title}** · 听到：{heard}"),
    "heard_melody": Text(
        "🎧 **{title}** · heard: {heard}, one melody. The plain chords under it are added; `accompany: False` leaves "
        "it bare.",
        "🎧 **{title}** · 听到：{heard}，一条旋律。下面的简单和弦是加上的；用 `伴奏: False` 可以不加。",
    ),
    "heard_figures": Text(
        "{tempo} BPM · {key} · {bars} bars ({sure} % sure) · {notes} notes",
        "{tempo} BPM · {key} · {bars} 小节（把握 {sure}%）· {notes} 个音",
    ),
    "doubtful": Text(
        "The file was played without a click, so I found its beats from the notes, and am not sure of them. **As "
        "written** takes those that the file has.",
        "这个文件没有按节拍器演奏，拍子是从音符里找的，我没有把握。“按原谱”用文件自己的拍子。",
    ),
    "heard_right": Text(
        "**That's it, go on** adds {bars} bars. If your beat is half or twice as fast, press that first.",
        "按“没错，接着写”续写 {bars} 小节。如果你的拍子慢一半或快一倍，请先按那个按钮。",
    ),
    "by_ear": Text("The opening is from a recording, heard as {heard}.", "开头来自录音，听到的是 {heard}。"),
    "unclicked": Text(
        "The file was played without a click; its beats were found from the notes: {heard}. If they are wrong, press "
        "**As written**, or give /compose the option `bpm`.",
        "这个文件没有按节拍器演奏；拍子是从音符里找出来的：{heard}。如果不对，请按“按原谱”，或给 /作曲 加 `速度`。",
    ),
    "from_recording": Text(
        "It goes on from [what was heard here]({link}), for {person}.", "从[这段录音]({link})续写，为 {person} 而作。"
    ),
    "not_transcribed": Text(
        "This recording could not be heard out: something is wrong on this side, and it has been noted. "
        "Send it again in a while, or a MIDI file.",
        "这段录音没能听完：这边出了问题，已记录下来。请稍后重发，或改发 MIDI 文件。",
    ),
    "nobody_listens": Text(
        "Nobody can listen to recordings here at the moment. Send it again later, or a MIDI file now.",
        "目前这里没有程序能听录音。请稍后重发，或现在改发 MIDI 文件。",
    ),
    # ---- the piece
    "piece": Text(
        "🎹 **{title}** · {added} bars added to {opening} · {tempo} BPM · {key} · seed `{seed}` · {settings}",
        "🎹 **{title}** · 在 {opening} 小节之后续写 {added} 小节 · {tempo} BPM · {key} · 种子 `{seed}` · {settings}",
    ),
    "redone": Text(
        "🎹 **{title}** · bars {first} to {last} of {opening} composed again · {tempo} BPM · {key} · seed `{seed}` · "
        "{settings}",
        "🎹 **{title}** · 重写了 {opening} 小节中的第 {first} 到 {last} 小节 · {tempo} BPM · {key} · 种子 `{seed}` · "
        "{settings}",
    ),
    "accompanied": Text(
        "🎹 **{title}** · an accompaniment to {opening} bars · {tempo} BPM · {key} · seed `{seed}` · {settings}",
        "🎹 **{title}** · 为 {opening} 小节配了伴奏 · {tempo} BPM · {key} · 种子 `{seed}` · {settings}",
    ),
    "default_settings": Text("default settings", "默认设置"),
    "continues": Text("It continues [this piece]({link}), for {person}.", "续写[这首作品]({link})，为 {person} 而作。"),
    "worked_on": Text("Made from [this piece]({link}), for {person}.", "由[这首作品]({link})改成，为 {person} 而作。"),
    "another": Text(
        "Another way on from the opening of [this piece]({link}), for {person}.",
        "[这首作品]({link})的开头的另一种写法，为 {person} 而作。",
    ),
    "lost": Text(
        "The file is damaged: {tracks} of its tracks broke off, and {notes} notes far behind the music are left out.",
        "文件有损坏：{tracks} 条音轨中断，远在乐曲之后的 {notes} 个音符已略去。",
    ),
    "ends_early": Text(
        "The opening's last bar is half empty, and the new ones begin behind it; with `cut: True` they begin at its "
        "last note.",
        "开头的最后一小节空了一半，新的小节从它之后开始；/作曲 用 `紧接: True` 会紧接最后一个音。",
    ),
    "tracks": Text("Notes by track: {tracks}.", "各音轨音符：{tracks}。"),
    "shortened": Text(
        "The MP3 is a preview of {time}: the whole is too large for this channel. The MIDI holds all of it.",
        "MP3 是 {time}的试听：完整文件超过此频道的上限。MIDI 是完整的。",
    ),
    "sound_follows": Text("The MP3 is on its way.", "MP3 马上就来。"),
    "no_sound": Text(
        "The MP3 would be too large for this channel; the MIDI holds the piece.",
        "MP3 超过此频道的上限；MIDI 是完整的作品。",
    ),
    "by_message": Text(
        "Your piece from another place, brought here because I could not put it there.",
        "这是你在别处请求的作品；那里放不了，所以送到这里。",
    ),
    "elsewhere": Text(
        "I could not put it here, so it has gone out as a direct message.",
        "这里放不了，已用私信发出。",
    ),
    "no_key": Text("no clear key", "调性不明"),
    # ---- buttons and forms
    "button_continue": Text("Continue", "继续写"),
    "button_vary": Text("Vary", "换一版"),
    "button_again": Text("Again with …", "改设置再来……"),
    "button_redo": Text("Redo bars …", "重写小节……"),
    "button_chords": Text("Chords …", "和弦……"),
    "chords_title": Text("Compose to chords", "按和弦作曲"),
    "chords_field": Text("Bars {first} to {last}, one between two lines", "第 {first}-{last} 小节，两线之间是一小节"),
    "button_accompany": Text("Accompany", "配伴奏"),
    "redo_title": Text("Compose bars again", "重写小节"),
    "redo_bars": Text("Bars, as 9-12", "小节，如 9-12"),
    "redo_chords": Text("Chords, if you like: Am F C G", "和弦（可选）：Am F C G"),
    "redo_key": Text("Key, if you like: A minor", "调（可选）：A minor"),
    "button_sheet": Text("Sheet music", "乐谱"),
    "button_parts": Text("Parts", "分轨"),
    "button_loop": Text("Loop", "循环"),
    "button_info": Text("Info", "详情"),
    "button_love": Text("♥ Love", "♥ 喜欢"),
    "button_a": Text("A is better", "A 更好"),
    "button_b": Text("B is better", "B 更好"),
    "button_tell": Text("Tell", "公布答案"),
    "button_drop": Text("Delete", "删除"),
    "button_back": Text("Back", "返回上一版"),
    "button_delete": Text("Delete", "删除"),
    "button_cancel": Text("Cancel", "取消"),
    "button_retry": Text("Try again", "再试一次"),
    "button_deliver": Text("Hand it over", "再次交付"),
    "button_go": Text("That's it, go on", "没错，接着写"),
    "button_half": Text("Half tempo", "速度减半"),
    "button_double": Text("Double tempo", "速度加倍"),
    "button_written": Text("As written", "按原谱"),
    "button_forget": Text("Delete everything about me", "删除我的全部数据"),
    "form_title": Text("Again with …", "改设置再来"),
    "form_bars": Text("Bars to add", "续写小节数"),
    "form_temperature": Text("Temperature: 0.9, or pitch 0.5, beat 1", "温度：0.9，或 音高 0.5，节拍 1"),
    "form_top_p": Text("Top-p: 0.95, or duration 0.9", "top-p：0.95，或 时值 0.9"),
    "form_number": Text(
        "“{text}” is not understood. Write a number like 0.9, or attributes like: pitch 0.5, duration 1.1.",
        "看不懂“{text}”。请写一个数，如 0.9；或写属性，如：音高 0.5，时值 1.1。",
    ),
    "form_whole": Text(
        "“{text}” is no whole number of bars. Write a number like 32.", "“{text}”不是整数。请写一个整数，例如 32。"
    ),
    "not_yours": Text(
        "Only the person who asked for this piece can do that. You can Vary or Continue it.",
        "只有请求这首作品的人可以这样做。你可以“换一版”或“继续写”。",
    ),
    "not_your_recording": Text(
        "Only the person who sent this recording can do that. Send one of your own to /compose.",
        "只有发这段录音的人可以这样做。请把你自己的录音发给 /作曲。",
    ),
    "gone": Text(
        "This piece is no longer kept. Send its MIDI file to /compose to go on with it.",
        "这首作品已不再保存。把它的 MIDI 文件发给 /作曲 就能继续。",
    ),
    "not_your_comparison": Text(
        "Only the person who asked for this comparison can do that. You can vote for A or B.",
        "只有发起比较的人可以这样做。你可以为 A 或 B 投票。",
    ),
    "over": Text(
        "No more votes are taken here: it has been told which was which. Make another with /compare.",
        "这里不再计票：答案已经公布。可以用 /比较 再发起一次。",
    ),
    "no_take": Text(
        "That is none of your finished pieces. Choose one from the list, or give the link to its message.",
        "这不是你已完成的作品。请从列表里选，或给出那条消息的链接。",
    ),
    "not_two_takes": Text(
        "I need two finished takes of one opening. Press Vary under a piece of yours, then try again.",
        "需要同一个开头的两个完成的版本。请在你的作品下按“换一版”，然后再试。",
    ),
    "votes_off": Text(
        "On this server there are no votes. Ask whoever runs it; /admin votes allows them again.",
        "这个服务器关闭了投票。请联系管理员；用 /管理 投票 可以重新开启。",
    ),
    "parent_gone": Text(
        "The piece that this one was made from is no longer kept. Go on from this one, or choose another in /history.",
        "它的上一版已不再保存。请从这一首继续，或在 /历史 里选别的。",
    ),
    "back": Text("It was made from [{title}]({link}).", "它由[{title}]({link})而来。"),
    "not_finished": Text(
        "This piece is not finished yet. Wait for it, or cancel it.", "作品还没完成。请等待，或取消它。"
    ),
    "ended_already": Text("It has ended already; there is nothing to cancel.", "它已经结束了；没有可取消的。"),
    "delivered_already": Text(
        "It has been handed over already. Look in this channel and in your direct messages.",
        "作品已经交付了。请看此频道和你的私信。",
    ),
    "deleted": Text("Deleted.", "已删除。"),
    "sheet": Text("Sheet music of “{title}”", "“{title}”的乐谱"),
    "sheet_pages": Text(
        "Here are the first {shown} of {pages} pages; the PDF has them all.",
        "此处为前 {shown} 页，共 {pages} 页；PDF 里是全部。",
    ),
    "parts": Text(
        "The parts of “{title}”, each as MP3 and MIDI: {parts}. They begin together and have one gain, so that played "
        "together they are the piece.",
        "“{title}”的各个分轨，各有 MP3 和 MIDI：{parts}。起点和增益一致，合在一起就是整首作品。",
    ),
    "parts_silent": Text(
        "These are there as MIDI only, for the file would be too large for this channel: {parts}.",
        "以下分轨只有 MIDI，否则文件会超过此频道的上限：{parts}。",
    ),
    "loop": Text(
        "Bars {first} to {last} of “{title}” alone: as MIDI, and as a loop that a player or studio repeats without a "
        "seam.",
        "单独的“{title}”第 {first} 到 {last} 小节：MIDI，以及可在播放器或编曲软件中无缝重复的循环。",
    ),
    "loop_too_large": Text(
        "A loop of these {bars} bars has {size} kB, and here a file may have {limit} kB. Ask for fewer bars, or where "
        "larger files may go.",
        "这 {bars} 小节的循环有 {size} kB，而这里的文件最多 {limit} kB。请少写几小节，或到上限更高的地方请求。",
    ),
    "info": Text("What this piece was made from", "这首作品的来历"),
    "info_model": Text("Model: {model} on {device}", "模型：{model}，{device}"),
    "info_bars": Text(
        "Bars: {opening} given, {added} added, with {notes} notes · {key}",
        "小节：给出 {opening}，续写 {added}，续写部分 {notes} 个音 · {key}",
    ),
    "info_settings": Text("Seed `{seed}` · {settings}", "种子 `{seed}` · {settings}"),
    "info_time": Text("Composed in {composing} s; {music} s of music", "用时 {composing} 秒；音乐 {music} 秒"),
    # ---- refusals
    "no_opening_here": Text(
        "There is neither a MIDI file nor a recording on that message. Choose one with a .mid file, a voice message, "
        "MP3, WAV, OGG, M4A or FLAC.",
        "那条消息里没有 MIDI 文件，也没有录音。请选择带 .mid 文件、语音、MP3、WAV、OGG、M4A 或 FLAC 的消息。",
    ),
    "not_audio": Text(
        "This is neither a MIDI file nor a recording that can be read. Send a .mid file, MP3, WAV, OGG, M4A or FLAC.",
        "这既不是 MIDI 文件，也不是可以读取的录音。请发 .mid 文件、MP3、WAV、OGG、M4A 或 FLAC。",
    ),
    "unreadable": Text(
        "Discord did not hand that file out. Attach it again and try once more.",
        "Discord 没有给出那个文件。请重新附上再试。",
    ),
    "not_here": Text(
        "On this server pieces are composed only in {channels}. Ask there, or ask whoever runs the server.",
        "这个服务器只允许在 {channels} 作曲。请到那里使用，或询问管理员。",
    ),
    "too_large": Text(
        "The file has {size} kB; at most {limit} kB will do. Export just the opening and try again.",
        "文件有 {size} kB，最多接受 {limit} kB。请只导出开头再试。",
    ),
    "line_mine": Text(
        "You have {limit} pieces in line already. Wait for one to finish (/queue), or cancel one (/cancel).",
        "你已有 {limit} 首作品在排队。请等一首完成（/排队），或取消一首（/取消）。",
    ),
    "line_day": Text(
        "You have asked for {limit} pieces within a day, which is all there is. Try again in {time}.",
        "你一天内已请求 {limit} 首，达到上限。请在 {time}后再试。",
    ),
    "line_full": Text(
        "The line is full: {limit} pieces are waiting. Try again in a few minutes.",
        "队列已满：有 {limit} 首在等待。请过几分钟再试。",
    ),
    "not_midi": Text(
        "This is not a MIDI file that can be read. Export it again as a standard .mid file and try again.",
        "这不是可以读取的 MIDI 文件。请重新导出为标准 .mid 文件再试。",
    ),
    "notation": Text(
        "This notation cannot be read. Export it as MIDI and try again.",
        "这份乐谱读不了。请导出为 MIDI 再试。",
    ),
    "prompt": Text(
        "The prompt cannot be read. It is JSON with a list of notes called prompt; see examples/mirex.",
        "这个提示读不了。它应是带 prompt 音符列表的 JSON；请参照 examples/mirex。",
    ),
    "hostile": Text(
        "This MIDI file is not one that will be read: it asks for far more than music needs. "
        "Export just the opening and try again.",
        "这个 MIDI 文件超出了音乐所需，不会读取。请只导出开头再试。",
    ),
    "no_notes": Text(
        "The file holds no notes. Put at least one bar of pitched notes into it.",
        "文件里没有音符。请至少放入一小节有音高的音符。",
    ),
    "only_drums": Text(
        "The file holds only drums ({drum_notes} notes). Put at least one bar of pitched notes into it.",
        "文件里只有鼓（{drum_notes} 个音）。请至少放入一小节有音高的音符。",
    ),
    "meter": Text(
        "The meter is {numerator}/{denominator} in bar {bar}; bars as long as those of {known} can be continued. "
        "Give an opening that stays in them.",
        "第 {bar} 小节是 {numerator}/{denominator} 拍；能续写的小节长度与 {known} 相同。请换一个只用这些拍号的开头。",
    ),
    "too_long": Text(
        "The opening lasts {minutes} minutes; it may last at most {limit}. Choose some of it with `from` and `to`.",
        "开头长 {minutes} 分钟，最多接受 {limit} 分钟。请用 `从` 和 `到` 选一段。",
    ),
    "too_dense": Text(
        "The opening has {notes} notes; it may have at most {limit}. Choose some of it with `from` and `to`.",
        "开头有 {notes} 个音符，最多接受 {limit} 个。请用 `从` 和 `到` 选一段。",
    ),
    "piece_full": Text(
        "The piece would have {bars} bars, and {limit} is the most. Ask for fewer bars, or send its last bars to "
        "/compose.",
        "作品会有 {bars} 小节，最多 {limit} 小节。请少写几小节，或把最后几小节发给 /作曲。",
    ),
    # What cannot be asked for (composer.errors.TaskError).
    "task_bars": Text("“{text}” are no bars. Write for example 9-12.", "“{text}”不是小节。请写成例如 9-12。"),
    "task_not_there": Text(
        "Bars {first} to {last} are not there: the piece has bars 1 to {bars}. Take some of these.",
        "没有第 {first} 到 {last} 小节：作品只有第 1 到 {bars} 小节。请从中选择。",
    ),
    "task_all_bars": Text(
        "If every bar is composed again, nothing is left to go by. Keep at least one.",
        "如果每一小节都重写，就没有依据了。请至少保留一小节。",
    ),
    "task_too_many": Text(
        "At most {most} bars are composed again at once; these are {bars}. Take fewer.",
        "一次最多重写 {most} 小节，这里有 {bars} 小节。请少选一些。",
    ),
    "task_too_long": Text(
        "At most {most} bars get an accompaniment; these are {bars}. Send fewer.",
        "最多为 {most} 小节配伴奏，这里有 {bars} 小节。请截短。",
    ),
    "task_chord": Text(
        "No chord is called “{text}”. Known are {known}, on any root; write for example Am F C G.",
        "没有叫“{text}”的和弦。认识的有 {known}，根音任意；请写成例如 Am F C G。",
    ),
    "task_chord_bars": Text(
        "Chords for {bars} bars are written, and there are {most}. Take some away.",
        "写了 {bars} 小节的和弦，而这里只有 {most} 小节。请删去一些。",
    ),
    "task_no_chord": Text(
        "“{text}” names no chord. Write for example Am F C G.", "“{text}”里没有和弦。请写成例如 Am F C G。"
    ),
    "task_full_bar": Text(
        "A bar of {beats} beats has no place for {chords} chords. Write fewer between two lines.",
        "{beats} 拍的小节放不下 {chords} 个和弦。请在两条竖线之间少写几个。",
    ),
    "task_key": Text(
        "No key is called “{text}”. Write for example A minor or Eb major.",
        "没有叫“{text}”的调。请写成例如 A minor 或 Eb major。",
    ),
    "task_accompanied": Text(
        "There is an accompaniment already. Send the melody alone, and it gets one.",
        "已经有伴奏了。请只发旋律，就会配上伴奏。",
    ),
    "task_two": Text(
        "Ask for bars again or for an accompaniment; one after the other, both can be had.",
        "请选择重写小节或者配伴奏；可以先后进行。",
    ),
    "task_redo_place": Text(
        "Bars that are composed again are counted in the whole piece. Leave its first and last bar out.",
        "重写的小节按整首计数。请不要再给起止小节。",
    ),
    "task_not_new": Text(
        "Bar {bar} is not composed: the new bars are {first} to {last}. Take one of these.",
        "第 {bar} 小节不在新写的范围内：新写的是第 {first} 到 {last} 小节。请从中选择。",
    ),
    "recording_long": Text(
        "The recording is longer than {limit} s, which is what I take. Trim it and try again.",
        "录音超过了 {limit} 秒的上限。请剪短后再试。",
    ),
    "recording_large": Text(
        "The recording has {size} kB; at most {limit} kB will do. Trim it, or give it as MP3.",
        "录音有 {size} kB，最多接受 {limit} kB。请剪短，或者换成 MP3。",
    ),
    "heard_silence": Text(
        "I hear only silence in the recording. Play on a piano or hum a melody, nearer to the microphone.",
        "录音里只有寂静。请离麦克风近一些，弹钢琴或哼一段旋律。",
    ),
    "heard_noise": Text(
        "I hear no music in the recording, only noise. Play on a piano or hum a melody, nearer to the microphone.",
        "录音里没有音乐，只有噪声。请离麦克风近一些，弹钢琴或哼一段旋律。",
    ),
    "heard_speech": Text(
        "I hear no music in the recording, only speech. Play on a piano, or hum or sing a melody.",
        "录音里没有音乐，只有说话声。请弹钢琴，或者哼唱一段旋律。",
    ),
    "few_notes": Text(
        "The notes that I heard are {notes}; I need {least} to find the beat. Play a little more of it.",
        "我听到的音只有 {notes} 个，至少要 {least} 个才能找到拍子。请多弹一点。",
    ),
    "cannot_hear": Text(
        "Recordings cannot be heard here at the moment. Give me a MIDI file instead.",
        "这里暂时不能听录音。请改用 MIDI 文件。",
    ),
    "out_of_range": Text(
        "{name} {value} is out of range: it lies between {lowest} and {highest}. Choose a number in between.",
        "{name} {value} 超出范围：应在 {lowest} 到 {highest} 之间。请换一个数。",
    ),
    "number_seed": Text("The seed", "种子"),
    "number_bars": Text("The number of bars", "小节数"),
    "number_takes": Text("The number of takes", "版本数"),
    "number_tempo": Text("The tempo", "速度"),
    "number_downbeat": Text("The beat that the first note lies on", "第一个音所在的拍"),
    "unknown_name": Text(
        "There is no “{name}” here. There are: {known}. Choose one of those.",
        "没有“{name}”。现有：{known}。请从中选择。",
    ),
    "unknown_instrument": Text(
        "There is no instrument “{name}”. Choose one from the list that appears while you type, such as {likely}.",
        "没有乐器“{name}”。请从输入时出现的列表里选，例如 {likely}。",
    ),
    "none_yet": Text("none yet", "还没有"),
    "ours": Text(
        "Something is wrong on this side, and it has been noted. Nothing of yours is lost; try again in a while.",
        "这边出了问题，已记录下来。你的东西都还在；请稍后再试。",
    ),
    # ---- settings
    "set": Text(
        "{knob} of **{attribute}** is now **{value}**. Your next /compose uses it.",
        "**{attribute}** 的{knob}现在是 **{value}**。下次 /作曲 就会用上。",
    ),
    "everything": Text("everything", "所有属性"),
    "knob_temperature": Text("Temperature", "温度"),
    "knob_top_p": Text("Top-p", "top-p"),
    "settings_title": Text(
        "Your settings: temperature / top-p, and in brackets the default where yours differ",
        "你的设置：温度 / top-p；与默认不同时，括号里是默认值",
    ),
    "settings_hint": Text(
        "Temperature 0 always takes the likeliest choice, 1 is as learned, above 1 is wilder. "
        "Top-p leaves out what is unlikely: lower is safer.",
        "温度 0 总选最可能的，1 照所学的来，大于 1 更狂野。top-p 去掉不太可能的：越低越稳妥。",
    ),
    "does_bar": Text("when the music moves on: low is even, high is restless", "何时往下走：低则均匀，高则躁动"),
    "does_beat": Text(
        "where in the bar notes fall: low is square, high is syncopated", "音落在哪一拍：低则方正，高则切分"
    ),
    "does_pitch": Text("which notes: low stays close to home, high goes looking", "用哪些音：低则守调，高则远游"),
    "does_velocity": Text("how hard keys are struck: low is flat, high is lively", "弹得多重：低则平，高则起伏"),
    "does_duration": Text("how long notes last: low is uniform, high is free", "音有多长：低则整齐，高则自由"),
    "does_chord": Text("where the harmony goes: low is familiar, high surprises", "和声走向：低则熟悉，高则意外"),
    "does_tempo": Text("how the pace moves: low is steady, high sways", "快慢变化：低则稳，高则摇摆"),
    "reset": Text("Your settings are the defaults again. Your presets stay.", "你的设置已恢复默认。预设还在。"),
    "preset_saved": Text(
        "Saved as **{name}**. Load it with /settings preset load.", "已存为 **{name}**。用 /设置 预设 载入 来使用。"
    ),
    "preset_loaded": Text(
        "**{name}** is loaded; your next /compose uses it.", "已载入 **{name}**；下次 /作曲 就会用上。"
    ),
    "preset_deleted": Text("**{name}** is deleted.", "**{name}** 已删除。"),
    "presets": Text("Your presets:", "你的预设："),
    "no_presets": Text(
        "You have no presets yet. Make one with /settings preset save.", "你还没有预设。用 /设置 预设 保存 新建。"
    ),
    "too_many_presets": Text(
        "You have {limit} presets, and that is all there is room for. Delete one first.",
        "你已有 {limit} 个预设，放不下了。请先删除一个。",
    ),
    # ---- queue, cancel, history
    "queue_empty": Text(
        "None of your pieces is in line. Start one with /compose.", "你没有排队的作品。用 /作曲 开始一首。"
    ),
    "queue_title": Text("Your pieces in line:", "你排队的作品："),
    "queue_running": Text("composing, bar {done} of {bars}", "作曲中，第 {done} / {bars} 小节"),
    "queue_waiting": Text("place {place}", "第 {place} 位"),
    "queue_listening": Text("being listened to", "聆听中"),
    "queue_recording": Text("a recording, place {place}", "录音，第 {place} 位"),
    "queue_about": Text("{what}, about {time} left", "{what}，大约还需 {time}"),
    "cancelled_count": Text("Cancelled: {count}.", "已取消：{count} 首。"),
    "history_empty": Text("You have no pieces yet. Start one with /compose.", "你还没有作品。用 /作曲 开始一首。"),
    "history_title": Text("Your last pieces:", "你最近的作品："),
    "history_heard": Text("a recording, heard: {heard}", "录音，听到：{heard}"),
    # ---- tree
    "tree_empty": Text(
        "You have no finished pieces here yet. Start one with /compose.",
        "你在这里还没有完成的作品。用 /作曲 开始一首。",
    ),
    "tree": Text(
        "Your pieces here, as they came from each other; you are at number {newest}.",
        "你在这里的作品，以及它们之间的来历；你现在在第 {newest} 号。",
    ),
    "tree_cut": Text("The newest {shown} of {count} are drawn.", "图中是 {count} 首里最新的 {shown} 首。"),
    "deed_begun": Text("{bars} bars added", "续写 {bars} 小节"),
    "deed_continued": Text("continued, {bars} bars", "接着写 {bars} 小节"),
    "deed_varied": Text("varied, {bars} bars", "换一版，{bars} 小节"),
    "deed_redone": Text("bars {first}-{last} again", "重写第 {first}-{last} 小节"),
    "deed_accompanied": Text("accompanied", "配伴奏"),
    "deed_heard": Text("as it was heard", "听到的样子"),
    # ---- two takes
    "compare": Text(
        "🎧 **{title}**, two takes of one opening: which is better, A or B? {person} will tell how each was made, and "
        "how many liked it better; until then votes can be changed and nobody sees them.",
        "🎧 **{title}**，同一个开头的两个版本：A 和 B 哪个更好？{person} 会公布各自是怎么写的、各得几票；"
        "在那之前可以改票，谁也看不到。",
    ),
    "chosen": Text(
        "Your vote: **{choice}**. You can change it until it is told which was which.",
        "你的选择：**{choice}**。公布之前都可以改。",
    ),
    "told": Text("Two takes of one opening, compared for {person}:", "{person} 发起的比较，同一个开头的两个版本："),
    "told_take": Text(
        "**{choice}** · {votes} votes · {model} · seed `{seed}` · {settings}",
        "**{choice}** · {votes} 票 · {model} · 种子 `{seed}` · {settings}",
    ),
    # ---- top
    "top_empty": Text(
        "Nobody has given a piece a heart here yet. Press ♥ under one that you like.",
        "这里还没有作品收到喜欢。请按喜欢的作品下方的 ♥。",
    ),
    "top_title": Text("What this server likes best:", "这个服务器最喜欢的作品："),
    # ---- help and privacy
    "help": Text(
        "**Segue continues what you begin.**\n"
        "Give `/compose` the opening of a piece as a MIDI file, or choose *Apps → Continue this* on a message "
        "with one. You get an MP3, a picture and the MIDI with all your tracks, which go on.\n"
        "**No MIDI at hand?** Hum it, or play it beside your phone: a voice message or a recording of up to 40 s will "
        "do. You see what was heard before anything is composed.\n"
        "**Under a piece:** Continue goes on from its end; Redo bars … composes some of its bars again; Chords … shows "
        "its chords, and composes to what you make of them; Accompany gives a melody a left hand; Vary tries another "
        "seed; Again with … changes bars, temperature and top-p; Sheet music is for players; Parts gives each track by "
        "itself, Loop the new bars to be played over and over; Info tells what it was made from.\n"
        "**Your taste:** `/settings temperature pitch 0.5` makes melodies calmer, `1.2` wilder; `/settings show` "
        "explains each. Keep them with `/settings preset save`.\n"
        "**Back and forth:** Back, under a piece, goes to what it was made from; `/tree` draws all of yours.\n"
        "**Together:** ♥ is a vote, `/top` has what this server likes best, and `/compare` posts two takes as A and B, "
        "to vote on without knowing which is which.\n"
        "**In line:** /queue, /cancel, /history. **What is kept:** /privacy show.",
        "**Segue 把你的开头写下去。**\n"
        "把一段 MIDI 开头交给 `/作曲`，或在带 MIDI 的消息上选“应用 → 续写这个”。"
        "你会得到 MP3、一张图，以及保留你所有音轨的 MIDI；各声部接着写下去。\n"
        "**手边没有 MIDI？**哼一段，或对着手机弹一段：40 秒以内的语音或录音都行。先给你看听到了什么，再作曲。\n"
        "**作品下方：**“继续写”从结尾接着写；“重写小节”重写其中几小节；“和弦”列出它的和弦，改了就按新的来写；"
        "“配伴奏”给旋律配上左手；“换一版”换个种子；“改设置再来”修改小节数、温度和 top-p；“乐谱”供演奏；"
        "“分轨”给出各个音轨，“循环”让新写的小节反复播放；“详情”说明来历。\n"
        "**你的口味：**`/设置 温度 音高 0.5` 让旋律更平稳，`1.2` 更狂野；`/设置 查看` 逐项说明。"
        "用 `/设置 预设 保存` 保存。\n"
        "**来龙去脉：**作品下方的“返回上一版”回到它的来处；`/家谱` 画出你的全部作品。\n"
        "**一起听：**♥ 是一票，`/最爱` 列出这个服务器最喜欢的，`/比较` 把两个版本作为 A 和 B 发出来盲选。\n"
        "**排队：**/排队、/取消、/历史。**保存了什么：**/隐私 查看。",
    ),
    "privacy": Text(
        "Kept about you, under your Discord id: settings ({settings}), presets ({presets}), votes ({votes}) and "
        "pieces ({pieces}: the opening and the piece as MIDI, its file name, seed, settings, and where it was posted) "
        "for {days} days. A recording is kept only until it is heard, then the notes in it. No names, no messages. "
        "Nothing is used for training. /privacy delete removes all of it, and the messages that hold your pieces.",
        "按你的 Discord id 保存着：{settings} 项设置、{presets} 个预设、{votes} 张选票、{pieces} 首作品"
        "（开头和成品的 MIDI、文件名、种子、设置、发布位置），保存 {days} 天。"
        "录音只保存到听完为止，之后只留下其中的音符。不保存名字和消息，也不用于训练。"
        "/隐私 删除 会全部删除，连同发布你作品的消息。",
    ),
    "privacy_sure": Text(
        "This deletes your settings, your presets, your votes ({votes}), your pieces ({pieces}) and the messages that "
        "hold them. It cannot be undone.",
        "这会删除你的设置、预设、{votes} 张选票、{pieces} 首作品以及发布它们的消息，无法撤销。",
    ),
    "forgotten": Text(
        "Done: nothing about you is kept any more. {messages} messages were deleted; {left} could not be.",
        "完成：不再保存你的任何数据。删除了 {messages} 条消息；{left} 条无法删除。",
    ),
    # ---- for those who run a server
    "votes_on": Text("New pieces have a heart, and people may vote.", "新作品下方会有 ♥，大家可以投票。"),
    "votes_off_now": Text(
        "New pieces have no heart, and those that are there count no more.",
        "新作品不再有 ♥，已有的 ♥ 也不再计票。",
    ),
    "limits_set": Text(
        "On this server a user may have {in_line} pieces in line and ask for {a_day} a day.",
        "在这个服务器，每人可排队 {in_line} 首，每天请求 {a_day} 首。",
    ),
    "channels_all": Text("Pieces may be asked for in every channel.", "所有频道都可以作曲。"),
    "channels_some": Text("Pieces may be asked for only in {channels}.", "只可以在 {channels} 作曲。"),
    # ---- small words
    "and_more": Text("and {count} more", "还有 {count} 个"),
    "seconds": Text("{count} s", "{count} 秒"),
    "minutes": Text("{count} min", "{count} 分钟"),
    "hours": Text("{count} h", "{count} 小时"),
    "major": Text("{tonic} major", "{tonic} 大调"),
    "minor": Text("{tonic} minor", "{tonic} 小调"),
}

# Names and descriptions of commands, options and choices. In Chinese; in English they are what stands in the code.
CHINESE_COMMANDS: Mapping[str, str] = {
    "compose": "作曲",
    "Continue the opening of a piece": "把一段开头续写下去",
    "opening": "开头",
    "MIDI, MusicXML or ABC of up to 15 minutes, or a recording of up to 40 s": "15 分钟内的乐谱文件或 40 秒录音",
    "bars": "小节",
    "How many bars to add (32)": "续写多少小节（默认 32）",
    "takes": "版本",
    "How many different continuations (1)": "写几个不同的版本（默认 1）",
    "preset": "预设",
    "One of your presets, for this piece only": "你的一个预设，只用于这一首",
    "seed": "种子",
    "The same seed and settings give the same piece": "种子和设置相同，作品就相同",
    "instrument": "乐器",
    "What plays it, where it has one part (its own)": "用什么演奏（仅限单声部，默认原音色）",
    "private": "私密",
    "Whether only you see it": "是否只有你能看到",
    "bpm": "速度",
    "Its tempo, where it is heard wrong: quarter notes a minute": "速度听错时：每分钟多少个四分音符",
    "downbeat": "强拍",
    "On which beat of the bar it begins, where that is heard wrong": "小节听错时：从第几拍开始",
    "from": "从",
    "The opening's first bar, where it is not the first there is": "开头从第几小节算起",
    "to": "到",
    "The opening's last bar: it goes on from there, and what is behind is left out": "开头到第几小节为止，从那里往下写",
    "cut": "紧接",
    "Whether to begin right behind the opening's last note, not at the next bar line": "紧接最后一个音，不等下一小节",
    "as_written": "按原谱",
    "Whether to take the beats that a MIDI file has, however freely it was played": "用 MIDI 文件自己的拍子",
    "accompany": "伴奏",
    "A MIDI melody: accompany it; a hummed one: give it plain chords (yes)": "MIDI 旋律：配伴奏；哼唱：加简单和弦",
    "chords": "和弦",
    "drums": "鼓",
    "What drums do behind the opening (their pattern goes on)": "开头之后鼓怎么打（默认延续节奏型）",
    "OFF": "停止",
    "PATTERN": "延续节奏型",
    "FILLS": "加花",
    "Of the new bars in turn: Am F C G; with | between bars: Am F | C": "新小节依次的和弦：Am F C G，或用 | 分小节",
    "key": "调",
    "Of what is new: A minor": "新写部分的调：A minor",
    "style": "风格",
    "What the music is like (as the opening)": "音乐的风格（默认同开头）",
    "pop": "流行",
    "pop transcribed": "流行（听写）",
    "song": "歌曲",
    "classical": "古典",
    "quartet": "四重奏",
    "game": "游戏",
    "sheet": "乐谱",
    "Whether you get it as sheet music too": "是否同时给出乐谱",
    "go": "直接写",
    "Whether to compose at once, without asking if it was heard right": "不问听得对不对，直接作曲",
    "Continue this": "续写这个",
    "settings": "设置",
    "Your own way of composing": "你自己的作曲方式",
    "temperature": "温度",
    "How adventurous each attribute is": "每个属性有多大胆",
    "top_p": "top_p",
    "How much of the unlikely is left out": "去掉多少不太可能的选择",
    "bar": "小节",
    "beat": "节拍",
    "pitch": "音高",
    "velocity": "力度",
    "duration": "时值",
    "chord": "和弦",
    "tempo": "速度",
    "all": "全部",
    "value": "数值",
    "0 is the likeliest only, 1 as learned, 2 wild": "0 只选最可能的，1 照所学的来，2 最狂野",
    "1 leaves nothing out; lower is safer": "1 什么都不去掉；越低越稳妥",
    "Of every attribute at once": "所有属性一起",
    "When the music moves on": "音乐何时往下走",
    "Where in the bar notes fall": "音落在小节的哪里",
    "Which notes": "用哪些音",
    "How hard keys are struck": "弹得多重",
    "How long notes last": "音有多长",
    "Where the harmony goes": "和声走向",
    "How the pace moves": "快慢变化",
    "show": "查看",
    "Your settings, the defaults, and what each does": "你的设置、默认值，以及各项的作用",
    "reset": "恢复",
    "Back to the defaults": "恢复默认",
    "Settings under a name": "给设置起名保存",
    "save": "保存",
    "Keep your settings of now under a name": "把现在的设置以一个名字保存",
    "load": "载入",
    "Make a preset your settings": "把预设用作你的设置",
    "delete": "删除",
    "Delete a preset": "删除一个预设",
    "list": "列表",
    "Your presets": "你的预设",
    "name": "名字",
    "Its name": "它的名字",
    "queue": "排队",
    "Your pieces in line": "你排队的作品",
    "cancel": "取消",
    "Cancel a piece of yours that waits or is being composed": "取消你正在等待或写作中的作品",
    "piece": "作品",
    "Which one (all of them)": "哪一首（默认全部）",
    "history": "历史",
    "Your last pieces, with links": "你最近的作品及链接",
    "tree": "家谱",
    "Your pieces here, as they came from each other": "你在这里的作品，以及它们之间的来历",
    "compare": "比较",
    "Two takes as A and B, for people to vote on": "把两个版本作为 A 和 B，让大家投票",
    "one": "一个",
    "A take, or the link to it (your newest)": "一个版本或它的链接（默认你最新的）",
    "other": "另一个",
    "Another take of the same opening (the newest)": "同一个开头的另一个版本（默认最新的）",
    "top": "最爱",
    "The pieces that this server likes best": "这个服务器最喜欢的作品",
    "help": "帮助",
    "What Segue does, in a minute": "一分钟了解 Segue",
    "privacy": "隐私",
    "What is kept about you": "保存了你的哪些数据",
    "Delete all of it": "全部删除",
    "admin": "管理",
    "For those who run this server": "供服务器管理员使用",
    "limits": "上限",
    "How much one user may ask for": "每个用户可以请求多少",
    "votes": "投票",
    "Whether pieces have hearts": "作品下方是否有 ♥",
    "allowed": "允许",
    "Whether people may vote": "是否允许投票",
    "in_line": "排队数",
    "Pieces in line": "排队的作品数",
    "a_day": "每日",
    "Pieces a day": "每天的作品数",
    "channels": "频道",
    "channel": "频道",
    "Where pieces may be asked for": "可以在哪里作曲",
    "allow": "允许",
    "Add this channel": "加入这个频道",
    "forbid": "移除",
    "Take this channel off the list": "把这个频道移出列表",
    "everywhere": "不限",
    "Allow every channel again": "重新允许所有频道",
}


def language_of(locale: str) -> Language:
    """The language of texts for a Discord locale. "zh-TW" is written in other characters: it gets English."""
    return "zh" if locale == "zh-CN" else "en"


def say(language: Language, name: str, /, **values: object) -> str:
    """The text of that name."""
    text: str = getattr(TEXTS[name], language)
    return text.format(**values)


def say_time(language: Language, seconds: float) -> str:
    """As people say it: 40 s, 3 min, 2 h; never less than it is."""
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds > 1.5 * length:
            return say(language, unit, count=math.ceil(seconds / length))
    return say(language, "seconds", count=max(1, math.ceil(seconds)))


def say_key(language: Language, key: str | None) -> str:
    """key: as composer.music.key names it, "C major"."""
    if key is None:
        return say(language, "no_key")
    tonic, mode = key.split()
    return say(language, mode, tonic=tonic)


def say_settings(language: Language, sampling: SamplingParams) -> str:
    """What differs from the defaults: "temperature pitch 0.5"."""
    musical = {attribute: say_attribute(language, name) for name, attribute in MUSICAL_NAMES.items()}
    mine, default = sampling.to_json(), SamplingParams().to_json()
    parts = []
    for knob in KNOBS:
        changed = {name: value for name, value in mine[knob].items() if value != default[knob][name]}
        label = say(language, f"knob_{knob}").lower()
        if changed and len(set(mine[knob].values())) == 1:
            parts.append(f"{label} {mine[knob]['pitch']:g}")
        elif changed:
            parts.append(f"{label} " + ", ".join(f"{musical[name]} {value:g}" for name, value in changed.items()))
    return "; ".join(parts) or say(language, "default_settings")


def settings_table(language: Language, sampling: SamplingParams) -> str:
    """Yours, the default, and what it does, a line an attribute."""
    default = SamplingParams()
    lines = [f"**{say(language, 'settings_title')}**"]
    for name, attribute in MUSICAL_NAMES.items():
        mine, usual = sampling[attribute], default[attribute]
        label = _padded(CHINESE_COMMANDS[name] if language == "zh" else name, 9)
        numbers = f"{mine.temperature:.2f} / {mine.top_p:.2f}"
        if mine != usual:
            numbers += f" ({usual.temperature:.2f} / {usual.top_p:.2f})"
        lines.append(f"`{label}{numbers}` {say(language, f'does_{name}')}")
    return "\n".join([*lines, say(language, "settings_hint")])


def say_attribute(language: Language, name: str) -> str:
    """name: musical, or `all`."""
    if name == ALL:
        return say(language, "everything")
    return CHINESE_COMMANDS[name] if language == "zh" else name


@dataclass(frozen=True)
class Stranger:
    """Words that are not ours, such as a file's name. Not a `str`: put into a text, they are only ever `plain`."""

    raw: str

    @property
    def bare(self) -> str:
        """In one line that reads from left to right, for where there is no Markdown: pictures, tags, suggestions."""
        text = "".join(" " if character.isspace() else character for character in self.raw)
        shown = (character for character in text if unicodedata.category(character) not in UNSEEN)
        return " ".join("".join(shown).translate(BLANK).split()) or "?"

    @property
    def plain(self) -> str:
        """For a message: no Markdown, link, invitation or mention of theirs is one."""
        return re.sub(r"(^[-+]|[\\*_`~|<>\[\](){}@#:/.])", r"\\\1", self.bare)

    @property
    def code(self) -> str:
        """To stand between two `, where only they act."""
        return self.bare.replace("`", "'")

    def first(self, characters: int) -> Stranger:
        return Stranger(self.bare[:characters])

    def __format__(self, _: str) -> str:
        return self.plain

    def __str__(self) -> str:
        return self.plain

    __repr__ = __str__


def fit(text: str, room: int = LONGEST_MESSAGE) -> str:
    """The text, or as much of it as there is room for: whole words, and no `\\` that would act on what follows."""
    if len(text) <= room:
        return text
    kept = text[: room - 1]
    whole = kept[: max(kept.rfind(" "), kept.rfind("\n"))] if re.search(r"\s", kept[room // 2 :]) else kept
    return whole.rstrip("\\ \n") + "…"


def listed(language: Language, items: Sequence[str], between: str = ", ", room: int = LONGEST_LIST) -> str:
    """As many of the items as there is room for, each whole, and how many there are besides."""
    kept = len(items)
    while len(text := _first_of(language, items, kept, between)) > room and kept:
        kept -= 1
    return text


def _first_of(language: Language, items: Sequence[str], kept: int, between: str) -> str:
    more = [say(language, "and_more", count=len(items) - kept)] if kept < len(items) else []
    return between.join([*items[:kept], *more])


def lines_of(language: Language, title: str, lines: Sequence[str]) -> str:
    """A list as a message of its own."""
    return f"{title}\n{listed(language, lines, between=chr(10), room=LONGEST_MESSAGE - len(title) - 1)}"


def progress_bar(done: int, total: int) -> str:
    """A bar that fills: 🟦🟦🟦🟦⬛⬛⬛⬛"""
    filled = BAR_LENGTH * done // max(1, total)
    return "🟦" * filled + "⬛" * (BAR_LENGTH - filled)


def describe(error: SegueError, language: Language) -> str:
    """What went wrong and what to do, as a sentence."""
    name, values = _named(error, language)
    return say(language, name, **values)


def _named(error: SegueError, language: Language) -> tuple[str, dict[str, Any]]:
    data: dict[str, Any] = vars(error)
    match error:
        case NotMidiError():
            return "not_midi", {}
        case NotationError():
            return "notation", {}
        case PromptError():
            return "prompt", {}
        case HostileMidiError():
            return "hostile", {}
        case NoNotesError(drum_notes=drums):
            return ("only_drums" if drums else "no_notes"), data
        case MeterError():
            return "meter", data
        case OpeningTooLongError():
            return "too_long", data
        case OpeningTooDenseError():
            return "too_dense", data
        case NotAudioError():
            return "not_audio", {}
        case RecordingTooLongError():
            return "recording_long", data
        case RecordingTooLargeError(size=size, limit=limit):
            return "recording_large", {"size": -(-size // 1000), "limit": limit // 1000}
        case NothingPlayedError(heard=heard):
            return {"silence": "heard_silence", "noise": "heard_noise", "speech": "heard_speech"}[heard], {}
        case TooFewNotesError():
            return "few_notes", data
        case CannotHearError():
            return "cannot_hear", {}
        case OutOfRangeError(name=name, value=value, lowest=lowest, highest=highest):
            numbers = {"value": f"{value:g}", "lowest": f"{lowest:g}", "highest": f"{highest:g}"}
            return "out_of_range", {"name": say(language, NUMBERS[name]), **numbers}
        case TaskError(kind=kind, values=values):
            told = {name: Stranger(str(value)).first(50) if name == "text" else value for name, value in values.items()}
            return f"task_{kind}", told
        case UnknownNameError(what=what, name=name, known=known):
            there = [say_attribute(language, each) if what == "attribute" else f"{Stranger(each)}" for each in known]
            there = there or [say(language, "none_yet")]
            return "unknown_name", {"name": Stranger(name).first(50), "known": listed(language, there)}
        case UnknownInstrumentError(name=name, likely=likely):
            return "unknown_instrument", {
                "name": Stranger(name).first(50),
                "likely": ", ".join(likely) or "Violin, Flute",
            }
        case LineFullError():
            return _line_full(error, language)
        case FileTooLargeError(size=size, limit=limit):
            return "too_large", {"size": -(-size // 1000), "limit": limit // 1000}
        case NotHereError(channels=channels):
            return "not_here", {"channels": say_channels(language, channels)}
        case LoopTooLargeError(bars=bars, size=size, limit=limit):
            return "loop_too_large", {"bars": bars, "size": -(-size // 1000), "limit": limit // 1000}
        case PieceFullError(bars=bars, limit=limit):
            return "piece_full", {"bars": bars, "limit": limit}
        case FormError(text=text, whole=whole):
            return ("form_whole" if whole else "form_number"), {"text": Stranger(text).first(50)}
        case TooManyPresetsError(limit=limit):
            return "too_many_presets", {"limit": limit}
        case _:
            return SIMPLE.get(type(error), "ours"), {}


def say_channels(language: Language, channels: Sequence[int]) -> str:
    return listed(language, [f"<#{channel}>" for channel in channels], between=" ")


def _line_full(error: LineFullError, language: Language) -> tuple[str, dict[str, Any]]:
    match error.kind:
        case "in_line":
            return "line_mine", {"limit": error.limit}
        case "a_day":
            return "line_day", {"limit": error.limit, "time": say_time(language, error.again_in_seconds or 3600)}
        case _:
            return "line_full", {"limit": error.limit}


def _padded(text: str, width: int) -> str:
    """To a width in columns, of which a Chinese character takes two."""
    columns = sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
    return text + " " * (width - columns)
