; A harpsichord: plucked strings, bright at first, always at pitch.
;   p10 0 one eight-foot stop, 1 with the four-foot coupled, 2 lute stop
; A touch hardly changes its loudness and never its colour.
giHarpsichord[] init 2 * 3 * giKeys

instr harpsichord
  iHold = p3
  iFade = .09
  p3 = iHold + iFade
  iCoupled = p10 == 1 ? 1 : 0
  iKey TopKey p4, p8
  iAt = (iCoupled * giKeys + iKey) * 3
  if giHarpsichord[iAt] == 0 then
    iHz = 440 * 2 ^ ((iKey - 69) / 12)
    iCount Harmonics iKey, 100
    iAll[] init iCount
    iN = 1
    while iN <= iCount do
      ; Plucked at a seventh of the string and a little; the case takes what is highest.
      iPluck = abs(sin($M_PI * iN / 7.4)) / iN ^ .75 / (1 + (iN * iHz / 7000) ^ 2)
      iAll[iN - 1] = iAll[iN - 1] + iPluck + .02 / iN
      if iCoupled == 1 && 2 * iN <= iCount then
        iAll[2 * iN - 1] = iAll[2 * iN - 1] + .7 * iPluck
      endif
      iN += 1
    od
    giHarpsichord[iAt] Wave iAll, 1, 4
    giHarpsichord[iAt + 1] Wave iAll, 5, 14
    giHarpsichord[iAt + 2] Wave iAll, 15, 100
  endif
  kHz Pitch p4, iHold, p8, p9
  iLeft, iRight Sides p10 == 2 ? .1 : .065, p5, .5, p7, p6
  iLife = limit(1.3 * (262 / p4) ^ .55, .25, 4) * (p10 == 2 ? .22 : 1)
  iRise = min(.0008, iHold / 2)
  aShape transeg 0, iRise, 0, 1, iHold - iRise, 0, 1, iFade, -5, 0
  aSlow expon 1, 7 * iLife, exp(-7)
  aQuick expon 1, 3 * iLife, exp(-7)
  aFlash expon 1, 1.1 * iLife, exp(-7)
  aDeep poscil3 aSlow, kHz, giHarpsichord[iAt]
  aClear poscil3 aQuick, kHz, giHarpsichord[iAt + 1]
  aSharp poscil3 aFlash, kHz, giHarpsichord[iAt + 2]
  aString = (aDeep + aClear + aSharp) * aShape
  ; The plectrum touches the string once more as the jack falls.
  kGone timeinsts
  if kGone >= iHold then
    aFalls transeg 0, .003, 0, .03, iFade - .003, -6, 0
    aJack poscil3 aFalls, kHz, giHarpsichord[iAt + 1]
    aString += aJack
  endif
  outs aString * iLeft, aString * iRight
endin
