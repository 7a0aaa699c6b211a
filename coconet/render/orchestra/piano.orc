; The piano of a SoundFont, its first preset.
;   p10 key whose sample plays, whatever the pitch
;   p11 cents by which that sample is too high
;   p12 0 shaded by velocity, 1 soft, 2 the sample as it is
; $FONT is the path. The font is always asked for velocity 100, since some change
; their samples above 110 or so: how loud and how bright a note is, is made here.
giPianoFont sfload "$FONT"
giPiano sfpreset 0, 0, giPianoFont, 0

instr piano
  iHold = p3
  iFade = .45
  p3 = iHold + iFade
  kHz Pitch p4 * cent(-p11), iHold, p8, p9
  iLeft, iRight Sides 1.35 / 32768, p5, 2, p7, p6
  iRise = min(.0015, iHold / 2)
  aShape transeg 0, iRise, 0, 1, iHold - iRise, 0, 1, iFade, -5, 0
  ; Flag 1: sfplay3 takes Hz, whichever key's sample it plays. 32768 is its full scale.
  aLeft, aRight sfplay3 100, p10, aShape, kHz, giPiano, 1, 0, 2
  if p12 < 2 then
    ; A soft stroke is dark, a loud one open; high notes keep what makes them bright.
    iTouch = p5 * (p12 == 1 ? .7 : 1) / 80
    iCut = limit((1400 + 5 * p4) * iTouch ^ 2.5, 1.5 * p4, 20000)
    aLeft tone aLeft, iCut
    aRight tone aRight, iCut
  endif
  outs aLeft * iLeft, aRight * iRight
endin
