; Bowed strings, several players a note: sawtooth waves in a body that resonates.
;   p10 0 open, 1 muted
; The harder they play, the brighter: one wave for each key and each 16 velocities.
giStrings[] init 2 * 8 * giKeys

; A resonance at iCentre Hz, iWidth octaves to either side.
opcode Hill, i, iii
  iF, iCentre, iWidth xin
  xout 1 / exp((log2(iF / iCentre) / iWidth) ^ 2)
endop

instr strings
  iHold = p3
  iFade = .35
  p3 = iHold + iFade
  iKey TopKey p4, p8
  iLayer = int(limit(p5, 0, 127) / 16)
  iAt = (p10 * 8 + iLayer) * giKeys + iKey
  if giStrings[iAt] == 0 then
    iHz = 440 * 2 ^ ((iKey - 69) / 12)
    iCount Harmonics iKey, 90
    iAll[] init iCount
    ; Above this many Hz the bow's edge is lost.
    iEdge = (p10 == 1 ? 900 : 2200) * (.5 + iLayer / 8)
    iN = 1
    while iN <= iCount do
      iF = iN * iHz
      ; Air and wood of the body, and the hill of the bridge.
      iBody = .5 + Hill(iF, 280, .35) + .7 * Hill(iF, 520, .4) + .9 * Hill(iF, 2500, .5)
      iAll[iN - 1] = iBody / iN / sqrt(1 + (iF / iEdge) ^ 2)
      iN += 1
    od
    giStrings[iAt] Wave iAll, 1, 90
  endif
  kHz Pitch p4, iHold, p8, p9
  iLeft, iRight Sides .072, p5, 1.6, p7, p6
  iOwn Own p4, p5, p6
  kAway1, kAway2 Players kHz, 5, 4, iOwn
  iRise = min(.09, iHold / 2)
  aShape transeg 0, iRise, 0, 1, iHold - iRise, 0, 1, iFade, -5, 0
  ; The pairs are weaker than the first player, who is never cancelled, and stand a
  ; little to the left and to the right.
  aFirst poscil3 1, kHz, giStrings[iAt]
  aHigh1 poscil3 .24, kHz + kAway1, giStrings[iAt], iOwn
  aLow1 poscil3 .24, kHz - kAway1, giStrings[iAt], 1 - iOwn
  aHigh2 poscil3 .24, kHz + kAway2, giStrings[iAt], frac(iOwn * 5)
  aLow2 poscil3 .24, kHz - kAway2, giStrings[iAt], 1 - frac(iOwn * 5)
  aPair1 = aHigh1 + aLow1
  aPair2 = aHigh2 + aLow2
  aMiddle = aFirst + aPair1 + aPair2
  aSide = (aPair1 - aPair2) / 3
  outs (aMiddle + aSide) * aShape * iLeft, (aMiddle - aSide) * aShape * iRight
endin
