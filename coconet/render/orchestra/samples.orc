; The user's own samples. A note brings, from p10 on:
;   p10 number of its sample: of a path, or of a table where it is looped (the next
;       one is its right channel)
;   p11 Hz that sounds at the recorded speed
;   p12 dB of the region and of the velocity within its layer (p5 is in it)
;   p13 pan of the region, -1 left to 1 right, added to the note's
;   p14 channels
;   p15 0 no loop, 1 a loop until the sound has died away, 2 until the key is let go
;   p16 p17 first frame of the loop and the one after its last, in its table
;   p18 seconds that are left out at the beginning
;   p19 seconds of the recording that are left to play
;   p20 attack  p21 hold  p22 decay in seconds  p23 share left  p24 release in seconds
;   p25 seconds that the note lasts at least
;   p26 frames around each place from which the sound there is reckoned
; Samples without a loop are read from disk as they play, so long ones cost no memory.

; Open until a sample is at its end, where it closes in 5 ms: a cut would click.
opcode Gate, a, k
  kLeft xin
  aOpen interp limit(kLeft / .005, 0, 1), 0, 1, 1
  xout aOpen
endop

; A path by its number, p4, at which notes find it.
instr recording
  SPath strget p5
  strset p4, SPath
endin

instr samples
  iNote = p3
  iHold = max(iNote, p25)
  p3 = iHold + p24
  kHz Pitch p4, iNote, p8, p9
  kSpeed = kHz / p11
  iAmp = ampdb(p12 + p7)
  iUp = min(p20, iHold)
  iStay = min(p21, iHold - iUp)
  iDown = min(p22, iHold - iUp - iStay)
  ; A key let go while the sound still rises stops it there.
  iReach = p20 > iHold ? iHold / p20 : 1
  iLast = p22 > 0 ? iReach - (1 - p23) * iDown / p22 : (p20 > iHold ? iReach : p23)
  iTop = iStay + iDown > 0 ? 1 : iLast
  iFrom = iUp > 0 ? 0 : iTop
  ; The first segment needs a length, or there is no sound at all.
  aRise transeg iFrom, max(iUp, 1 / sr), 0, iTop, iStay, 0, iTop, iDown, 0, iLast, 1, 0, iLast
  aFade transeg 1, iHold, 0, 1, p24, -5, 0
  kGone timeinsts
  if p15 == 0 then
    SPath strget p10
    if p14 == 2 then
      aLeft, aRight diskin2 SPath, kSpeed, p18, 0, 0, p26
    else
      aLeft diskin2 SPath, kSpeed, p18, 0, 0, p26
      aRight = aLeft
    endif
    kRead init 0
    kRead += kSpeed * ksmps / sr
    aOpen Gate p19 - kRead
  else
    ; How far it has run, less as many times the loop as it has gone round.
    iRate = ftsr(p10)
    iRound = p17 - p16
    ; upsamp holds a value over its block, where a() would slide to it from the last.
    aStep upsamp kSpeed * iRate / sr
    aRun integ aStep
    aTurns init 0
    if p15 == 1 || kGone < iHold then
      aBeyond max aRun - p16, a(0)
      aTurns = floor(aBeyond / iRound)
      kTurns downsamp aTurns
    else
      aTurns upsamp kTurns
    endif
    aAt = aRun - aTurns * iRound
    aLeft table3 aAt, p10
    if p14 == 2 then
      aRight table3 aAt, p10 + 1
    else
      aRight = aLeft
    endif
    if p15 == 2 && kGone >= iHold then
      kAt downsamp aAt
      aOpen Gate p19 - kAt / iRate
    else
      aOpen = 1
    endif
  endif
  aShape = iAmp * aRise * aFade * aOpen
  iPan = limit(p6 + p13 / 2, 0, 1)
  outs aLeft * aShape * cos(iPan * $M_PI_2), aRight * aShape * sin(iPan * $M_PI_2)
endin
