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
  iAmp Strength p5, p7, 1.6
  iLife = limit(.8 * (262 / p4) ^ .5, .2, 2.5)
  iBright = limit((p5 / 80) ^ 1.2, .1, 1.8)
  aString Struck kHz, giClavichord[iAt], giClavichord[iAt + 1], giClavichord[iAt + 2], iLife, iBright
  aShape Shape .0015, iHold, iFade
  aString *= .125 * iAmp * aShape
  Place aString, aString, p6
endin
