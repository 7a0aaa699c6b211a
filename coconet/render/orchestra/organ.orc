; A pipe organ, additive: ranks of pipes, each with its own harmonics, in pure ratios.
;   p10 0 principals, 1 flutes, 2 plenum, 3 reeds
; Two waves a note: the foundation, and the upper work, which speaks sooner.
giOrganLow[] init 4 * giKeys
giOrganUpper[] init 4 * giKeys

; Adds a rank to harmonics of the lowest pipe: iRatio times as high, by iLevel.
; iPipe: 0 principal, 1 stopped flute, 2 reed. Ranks above 4.5 kHz break back an octave.
opcode Rank, i[], i[]iiii
  iAll[], iBase, iRatio, iLevel, iPipe xin
  while iRatio * iBase > 4500 && iRatio > 1 do
    iRatio /= 2
  od
  iRatio = max(1, int(iRatio))
  iCount lenarray iAll
  iN = 1
  while iN * iRatio <= iCount && iN <= 32 do
    if iPipe == 0 then
      iStrength = .55 ^ (iN - 1)
    elseif iPipe == 1 then
      iStrength = .36 ^ (iN - 1) * (iN % 2 == 1 ? 1.5 : .25)
    else
      iStrength = 1 / iN ^ .4 / exp((iN / 11) ^ 2)
    endif
    iAll[iN * iRatio - 1] = iAll[iN * iRatio - 1] + iLevel * iStrength
    iN += 1
  od
  xout iAll
endop

instr organ
  iHold = p3
  iFade = .12
  p3 = iHold + iFade
  ; With pipes an octave below the key, all are harmonics of those.
  iDeep = p10 >= 2 ? 2 : 1
  iKey TopKey p4, p8
  iAt = p10 * giKeys + iKey
  if giOrganLow[iAt] == 0 then
    iBase = 440 * 2 ^ ((iKey - 69) / 12) / iDeep
    iLow[] init limit(int(20000 / iBase), iDeep, 160)
    iUpper[] init lenarray(iLow)
    if p10 == 0 then
      iLow Rank iLow, iBase, 1, 1, 0
      iUpper Rank iUpper, iBase, 2, .55, 0
      iUpper Rank iUpper, iBase, 3, .16, 0
      iUpper Rank iUpper, iBase, 4, .3, 0
    elseif p10 == 1 then
      iLow Rank iLow, iBase, 1, 1, 1
      iUpper Rank iUpper, iBase, 2, .3, 1
    elseif p10 == 2 then
      iLow Rank iLow, iBase, 1, .45, 0
      iLow Rank iLow, iBase, 2, 1, 0
      iUpper Rank iUpper, iBase, 4, .75, 0
      iUpper Rank iUpper, iBase, 6, .35, 0
      iUpper Rank iUpper, iBase, 8, .5, 0
      iUpper Rank iUpper, iBase, 12, .3, 0
      iUpper Rank iUpper, iBase, 16, .25, 0
    else
      iLow Rank iLow, iBase, 1, .3, 2
      iLow Rank iLow, iBase, 2, 1, 2
      iUpper Rank iUpper, iBase, 4, .3, 0
    endif
    giOrganLow[iAt] Wave iLow, 1, 160
    giOrganUpper[iAt] Wave iUpper, 1, 160
  endif
  kHz Pitch p4, iHold, p8, p9
  iLeft, iRight Sides .043, p5, 1, p7, p6
  ; A pipe speaks after some ten periods; at first it sounds its octave and its breath.
  iSpeak = limit(10 / p4, .012, .07)
  iRise = min(iSpeak, iHold / 2)
  aShape transeg 0, iRise, 0, 1, iHold - iRise, 0, 1, iFade, -5, 0
  aUpper transeg 0, iSpeak / 3, 0, 1.5, iSpeak, -3, 1, 1, 0, 1
  aFoundation poscil3 1, kHz / iDeep, giOrganLow[iAt]
  aWork poscil3 .55, kHz / iDeep, giOrganUpper[iAt]
  aPipes = aFoundation + aUpper * aWork
  kGone timeinsts
  if kGone < .2 then
    iOwn Own p4, p5, p6
    aBreath expon .02, .2, .00002
    aAir rand 1, iOwn, 1
    aAir reson aAir, min(2.5 * p4, 9000), p4, 2
    aPipes += aBreath * aAir
  endif
  aPipes *= aShape
  outs aPipes * iLeft, aPipes * iRight
endin
