; A clavichord: a tangent strikes the string and stays; soft, and alive to the touch.
; The harder the stroke, the brighter.
giClavichord[] init 3 * giKeys

instr clavichord
  iHold = p3
  iFade = .07
  p3 = iHold + iFade
  iKey TopKey p4, p8
  iAt = iKey * 3
  if giClavichord[iAt] == 0 then
    iHz = 440 * 2 ^ ((iKey - 69) / 12)
    iCount Harmonics iKey, 80
    iAll[] init iCount
    iN = 1
    while iN <= iCount do
      iAll[iN - 1] = (1 + .5 * cos(2.1 * iN)) / iN ^ .9 / (1 + (iN * iHz / 3500) ^ 2)
      iN += 1
    od
    giClavichord[iAt] Wave iAll, 1, 3
    giClavichord[iAt + 1] Wave iAll, 4, 9
    giClavichord[iAt + 2] Wave iAll, 10, 80
  endif
  kHz Pitch p4, iHold, p8, p9
  iLeft, iRight Sides .125, p5, 1.6, p7, p6
  iLife = limit(.8 * (262 / p4) ^ .5, .2, 2.5)
  iBright = limit((p5 / 80) ^ 1.2, .1, 1.8)
  iRise = min(.0015, iHold / 2)
  aShape transeg 0, iRise, 0, 1, iHold - iRise, 0, 1, iFade, -5, 0
  aSlow expon 1, 7 * iLife, exp(-7)
  aQuick expon iBright, 3 * iLife, iBright * exp(-7)
  aFlash expon iBright, 1.1 * iLife, iBright * exp(-7)
  aDeep poscil3 aSlow, kHz, giClavichord[iAt]
  aClear poscil3 aQuick, kHz, giClavichord[iAt + 1]
  aSharp poscil3 aFlash, kHz, giClavichord[iAt + 2]
  aString = (aDeep + aClear + aSharp) * aShape
  outs aString * iLeft, aString * iRight
endin
